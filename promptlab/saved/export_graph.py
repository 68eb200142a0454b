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

from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.saved.export_about import ExportError, about, require_fixed
from promptlab.support.words import first_line

INPUT, OUTPUTS = "images", ("logits", "probabilities")
_SHOWN = 3
"""Images that the graph is taken with; it then takes any number."""


class Classify(nn.Module):
    """Preprocessed images (B, 3, H, W) to logits and probabilities, both (B, C).

    All that doesn't depend on the images is computed when it is made.

    Args:
        learner: what scores.
        row_by_row: score one picture after the other, for learners that count them as they score.
    """

    def __init__(self, learner: PromptLearner, *, row_by_row: bool = False) -> None:
        super().__init__()
        self.temperature = learner.decision.temperature
        self._learner = [learner]  # hidden from torch: parts that no image reaches are left out of the graph
        with torch.no_grad():
            score = learner.scorer()
        self._score = _one_by_one(score, self._inputs(_pictures(learner, 1))) if row_by_row else score

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and probabilities at the learner's temperature."""
        logits = self._score(self._inputs(images)).float()
        return logits, (logits / self.temperature).softmax(-1)

    def _inputs(self, images: Tensor) -> Tensor:
        """What the learner reads of images."""
        (learner,) = self._learner
        if learner.needs == "images":
            return images
        return learner.clip.encode_images(images, normalised=learner.normalised, kind=learner.reads)


@torch.no_grad()
def graph_of(learner: PromptLearner) -> Any:
    """The graph, a ``torch.export.ExportedProgram`` that takes any number of images.

    Raises:
        ExportError: if the learner has none, or its backbone isn't fp32.
    """
    require_fixed(learner)
    name, clip = type(learner).__name__, learner.clip
    if clip.precision != "fp32":
        raise ExportError(
            f"{name} was learned on a backbone in {clip.precision}, and graphs are held to 1e-4, which only "
            "fp32 keeps: fit it with backbone.precision=fp32, or export its class matrix (--to safetensors)"
        )
    learner.eval()
    try:
        return _taken(Classify(learner), learner)
    except Exception as error:  # torch has dozens for what can't be taken; most often the batch was counted
        reason = error
    try:
        return _taken(Classify(learner, row_by_row=True), learner)
    except Exception:  # the first attempt's reason says more
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
    said = {**about(learner), "input": INPUT, "outputs": list(OUTPUTS)}
    with quiet():
        torch.export.save(graph_of(learner), path, extra_files={"about.json": json.dumps(said)})
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


def _taken(module: Classify, learner: PromptLearner) -> Any:
    with quiet():
        batch = torch.export.Dim("batch")
        images = _pictures(learner, _SHOWN)
        module(images)  # what is computed once and kept is there before the graph is taken
        return torch.export.export(module, (images,), dynamic_shapes=({0: batch},), strict=False)


def _pictures(learner: PromptLearner, count: int) -> Tensor:
    side = learner.clip.image_size
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0)).to(learner.clip.device)


def _one_by_one(score: Scorer, one: Tensor) -> Scorer:
    """A scorer that is given one row of its inputs after the other; ``one`` is such a row, (1, ...)."""
    from torch._higher_order_ops.scan import scan

    class Row(nn.Module):
        def forward(self, row: Tensor) -> Tensor:
            return score(row)

    with quiet():
        score(one)
        row = torch.export.export(Row(), (one,), strict=False).run_decompositions({}).module()

    def step(carried: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return carried + 1, row(inputs.unsqueeze(0)).squeeze(0).clone()

    return lambda inputs: scan(step, torch.zeros((), device=inputs.device), inputs)[1]
