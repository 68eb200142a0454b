"""Pictures to logits, batch after batch; what can't be read is told apart, not raised."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlab.data.pictures.picture import REMARKS
from promptlab.data.pictures.reading import PictureError, Reading
from promptlab.evaluation.given import Given, read_given
from promptlab.evaluation.test_time import encoded, seen_by_readers
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.ahead import batches_in_threads
from promptlab.support.machine import reader_threads
from promptlab.support.transfers import sent
from promptlab.support.words import counted, of_one, some_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """One picture.

    Args:
        name: what it is called.
        picture: itself, or why there is none.
        place: which of what was given it is, or is a frame of.
        seconds: when a frame is shown; None for what is no frame.
    """

    name: str
    picture: Given | PictureError
    place: int
    seconds: float | None = None


@dataclass(frozen=True)
class Scored:
    """A batch.

    Args:
        asked: its B pictures.
        logits: (B, C) float32 on the CPU, NaN for those that can't be read.
        errors: why, or None.
    """

    asked: Sequence[Asked]
    logits: Tensor
    errors: Sequence[PictureError | None]


@dataclass(frozen=True)
class _Opened:
    asked: Asked
    inputs: Tensor | None = None
    remarks: tuple[str, ...] = ()
    error: PictureError | None = None


def require_scorable(learner: PromptLearner) -> None:
    """Refuse a learner whose scores of a picture follow from which others are given.

    Raises:
        ValueError: if it is transductive.
    """
    if learner.transductive:
        raise ValueError(
            f"{type(learner).__name__} scores all test images together, so a picture's probabilities would follow from "
            "which others are given: score Items with promptlab.evaluate"
        )


def scored(learner: PromptLearner, asked: Iterable[Asked], reading: Reading, batch_size: int) -> Iterator[Scored]:
    """Score pictures; what is unusual about them is said at the end.

    They are opened in threads. An accelerator scores a batch while the next is opened; a CPU's threads would only take
    each other's cores.

    Args:
        learner: what scores.
        asked: taken batch after batch.
        reading: how files are read.
        batch_size: B.

    Raises:
        TypeError: for what is no picture.
    """
    learner.eval()
    with torch.no_grad():
        scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()
    seen = seen_by_readers(learner)
    remarks: dict[str, list[str]] = defaultdict(list)

    def opened(one: Asked) -> _Opened:
        try:
            if isinstance(one.picture, PictureError):
                raise one.picture
            image = read_given(one.picture, reading, name=one.name)
        except PictureError as error:
            return _Opened(one, error=error)
        return _Opened(one, seen(image), image.info.get(REMARKS, ()))

    device = learner.clip.device
    ahead = int(device.type != "cpu")
    for batch in batches_in_threads(opened, asked, size=batch_size, threads=reader_threads(), ahead=ahead):
        for one in batch:
            for remark in one.remarks:
                remarks[remark].append(one.asked.name)
        logits = torch.full((len(batch), len(learner.class_names)), float("nan"))
        readable = [place for place, one in enumerate(batch) if one.inputs is not None]
        if readable:
            with torch.no_grad():
                inputs = sent(torch.stack([one.inputs for one in batch if one.inputs is not None]), device)
                scores = scorer(encoded(learner, inputs) if learner.needs == "features" else inputs)
            logits[readable] = scores.float().cpu()
        yield Scored([one.asked for one in batch], logits, [one.error for one in batch])
    for remark, whose in remarks.items():
        what = counted(len(whose), f"picture {of_one(remark)}", f"pictures {remark}")
        log.warning("%s: %s", what, some_of(whose))
