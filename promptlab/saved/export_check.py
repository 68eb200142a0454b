"""Exported learners beside promptlab's own, on real pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.class_text.given_names import places_of
from promptlab.data.pictures.picture import open_picture
from promptlab.data.pictures.reading import PictureError, Reading
from promptlab.data.readers.folder_tree import read_tree
from promptlab.demo.datasets import demo_dataset
from promptlab.features.transforms import require_preprocess
from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.export_about import ExportError, ExportRefusedError

log = logging.getLogger(__name__)
TOLERANCE = 1e-4
"""How far probabilities may be from promptlab's, and logits as a share of the largest."""
OF_DEMO, OF_DEMO_MEASURED = 24, 96
"""Pictures of the demo that an export is tried on, and that one in int8 is measured on."""
_AT_ONCE = 16

Runner = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (B, 3, H, W) to logits and probabilities (B, C)."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What an export answers beside promptlab.

    Args:
        pictures: how many were looked at.
        logits: largest difference of a logit.
        probabilities: largest difference of a probability.
        largest_logit: by magnitude, of promptlab's.
        same_answers: pictures whose most probable class is the same.
        labelled: pictures whose class is known.
        right: of these, those that promptlab has right.
        right_exported: of these, those that the export has right.
    """

    pictures: int = 0
    logits: float = 0.0
    probabilities: float = 0.0
    largest_logit: float = 0.0
    same_answers: int = 0
    labelled: int = 0
    right: int = 0
    right_exported: int = 0

    @property
    def holds(self) -> bool:
        """Whether the export answers as promptlab does, to rounding."""
        return self.probabilities <= TOLERANCE and self.logits <= TOLERANCE * max(1.0, self.largest_logit)


@dataclass(frozen=True)
class Pictures:
    """Pictures to try an export on.

    Args:
        files: what opens each.
        labels: class of each by number, None where it isn't known.
        whose: where they come from, in words.
    """

    files: Sequence[Callable[[], Image.Image]]
    labels: Sequence[int | None]
    whose: str

    @classmethod
    def of_demo(cls, learner: PromptLearner, count: int) -> Pictures:
        """Some of the demo's, of the learner's classes where it has such."""
        demo = demo_dataset("demo_shapes")
        own, labels = places_of(demo.class_names, learner.class_names), demo.test.labels
        known = [place for place, label in enumerate(labels) if own[int(label)] is not None]
        places = np.linspace(0, len(known or labels) - 1, count, dtype=int).tolist()
        chosen = [known[place] if known else place for place in places]
        files = [partial(demo.test.source.open, int(demo.test.indices[place])) for place in chosen]
        return cls(files, [own[int(labels[place])] for place in chosen], "the demo")

    @classmethod
    def in_folder(cls, learner: PromptLearner, folder: str | Path) -> Pictures:
        """Those in a folder and in the folders inside it, whose names are the classes where they are the learner's.

        Which files count is said by :func:`promptlab.data.readers.folder_tree.read_tree`.

        Raises:
            ExportRefusedError: if there are none.
        """
        base = Path(folder).expanduser()
        paths = [base / name for name in read_tree(base)[0].all_images()] if base.is_dir() else []
        if not paths:
            raise ExportRefusedError(f"{base} holds no pictures to try the export on: a folder of some is needed")
        labels = places_of([path.parent.name for path in paths], learner.class_names)
        reading = Reading(**learner.reading)
        files = [partial(open_picture, str(path), reading, name=str(path)) for path in paths]
        return cls(files, labels, str(base))

    def batches(self, learner: PromptLearner) -> Iterator[tuple[Tensor, list[int | None]]]:
        """Preprocessed images (B, 3, H, W) with their labels; the last is a picture alone, as a batch may be.

        Pictures that can't be read are named and left out.

        Raises:
            ExportError: if none can be read.
        """
        waiting: list[tuple[Tensor, int | None]] = []
        for picture in self._readable(require_preprocess(learner.clip)):
            waiting.append(picture)
            if len(waiting) > _AT_ONCE:
                yield _batch(waiting[:_AT_ONCE])
                del waiting[:_AT_ONCE]
        if not waiting:
            raise ExportError(f"none of the pictures of {self.whose} can be read, to try the export on")
        if len(waiting) > 1:
            yield _batch(waiting[:-1])
        yield _batch(waiting[-1:])

    def _readable(self, preprocess: Callable[[Image.Image], Tensor]) -> Iterator[tuple[Tensor, int | None]]:
        for file, label in zip(self.files, self.labels, strict=True):
            try:
                yield preprocess(file()), label
            except PictureError as error:
                log.warning("not tried on: %s", error)


def _batch(pictures: Sequence[tuple[Tensor, int | None]]) -> tuple[Tensor, list[int | None]]:
    images, labels = zip(*pictures, strict=True)
    return torch.stack(images), list(labels)


@torch.no_grad()
def compare(learner: PromptLearner, run: Runner, pictures: Pictures, *, at_once: int | None = None) -> Agreement:
    """What an export answers beside the learner that it was made of.

    Args:
        learner: promptlab's.
        run: the export.
        pictures: to look at, at least one.
        at_once: images that the export takes; None for any number.
    """
    score, clip = learner.eval().scorer(), learner.clip
    found = Agreement()
    for images, labels in pictures.batches(learner):
        inputs = images.to(clip.device)
        if learner.needs == "features":
            inputs = clip.encode_images(inputs, normalised=learner.normalised, kind=learner.reads)
        expected = score(inputs).float().cpu()
        parts = [run(some) for some in torch.split(images, at_once or len(images))]
        logits, probabilities = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        found = _with_batch(found, expected, learner.decision.probabilities(expected), logits, probabilities, labels)
    return found


def _with_batch(
    found: Agreement,
    expected: Tensor,
    probable: Tensor,
    logits: Tensor,
    probabilities: Tensor,
    labels: list[int | None],
) -> Agreement:
    own, exported = expected.argmax(-1).tolist(), logits.argmax(-1).tolist()
    known = [place for place, label in enumerate(labels) if label is not None]
    return Agreement(
        pictures=found.pictures + len(labels),
        logits=max(found.logits, _furthest(logits, expected)),
        probabilities=max(found.probabilities, _furthest(probabilities, probable)),
        largest_logit=max(found.largest_logit, float(expected.abs().max())),
        same_answers=found.same_answers + sum(a == b for a, b in zip(own, exported, strict=True)),
        labelled=found.labelled + len(known),
        right=found.right + sum(own[place] == labels[place] for place in known),
        right_exported=found.right_exported + sum(exported[place] == labels[place] for place in known),
    )


def _furthest(found: Tensor, expected: Tensor) -> float:
    """The largest difference; infinite where shapes differ or a number is none."""
    if found.shape != expected.shape or not found.isfinite().all():
        return float("inf")
    return float((found - expected).abs().max())
