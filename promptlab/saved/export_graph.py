"""A learner with its image tower as one graph of torch operators: images to logits and probabilities."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.export_about import ExportError, ExportRefusedError, about, require_fixed
from promptlab.support.words import first_line

INPUT, OUTPUTS = "images", ("logits", "probabilities")
_SHOWN = 3
"""Images that the graph is taken with; it then takes any number."""
_MOST = 2**31 - 1
"""Images at once at most: without a bound torch 2.6 takes the graph for one number alone."""


class Classify(nn.Module):
    """Preprocessed images (B, 3, H, W) to logits and probabilities, both (B, C).

    All that doesn't depend on the images is computed when it is made.

    Args:
        learner: what scores.
    """

    def __init__(self, learner: PromptLearner) -> None:
        super().__init__()
        self._learner = [learner]  # hidden from torch: parts that no image reaches are left out of the graph
        self._score = learner.scorer()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and probabilities at the learner's temperature."""
        (learner,) = self._learner
        if learner.needs == "features":
            images = learner.clip.encode_images(images, normalised=learner.normalised, kind=learner.reads)
        logits = self._score(images).float()
        return logits, learner.decision.probabilities(logits)


@torch.no_grad()
def graph_of(learner: PromptLearner) -> tuple[Any, int | None]:
    """The graph as a ``torch.export.ExportedProgram``, and how many images it takes.

    Returns:
        The graph; None for any number of images, or 1 for learners that count the images as they score, as those do
        that write prompts for each.

    Raises:
        ExportError: if the learner has none, or its backbone isn't fp32.
    """
    require_fixed(learner)
    name, clip = type(learner).__name__, learner.clip
    if clip.precision != "fp32":
        raise ExportRefusedError(
            f"{name} was learned on a backbone in {clip.precision}, and graphs are held to 1e-4, which only "
            "fp32 keeps: fit it with backbone.precision=fp32, or export its class matrix (--to safetensors)"
        )
    module = Classify(learner.eval())
    try:
        return _taken(module, learner, _SHOWN, {0: torch.export.Dim("batch", max=_MOST)}), None
    except Exception as error:  # torch has dozens for what can't be taken; most often the images were counted
        reason = error
    try:
        return _taken(module, learner, 1, None), 1
    except Exception:  # the first reason says more
        raise ExportError(
            f"{name} on {clip.name} can't be made a graph of torch operators ({first_line(reason)}): "
            "score with promptlab.predict"
        ) from reason


def write_program(learner: PromptLearner, path: Path) -> dict[str, Any]:
    """Write the graph as ``torch.export.load`` reads it, with ``about.json`` among its extra files.

    Returns:
        What the file says of the learner.

    Raises:
        ExportError: as :func:`graph_of`.
    """
    graph, batch = graph_of(learner)
    said = {**about(learner), "input": INPUT, "outputs": list(OUTPUTS), "batch": batch}
    with quiet():
        torch.export.save(graph, path, extra_files={"about.json": json.dumps(said)})
    return said


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what torch says of its own workings, and prints of graphs that fail, from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)


def _taken(module: Classify, learner: PromptLearner, count: int, dynamic: dict[int, Any] | None) -> Any:
    side = learner.clip.image_size
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0)).to(learner.clip.device)
    with quiet():
        module(images)  # what is computed once and kept is there before the graph is taken
        return torch.export.export(module, (images,), dynamic_shapes=(dynamic,), strict=False)
