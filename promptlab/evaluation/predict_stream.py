"""What a learner says of many pictures, row after row, in memory that doesn't grow with their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress, groupby
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from promptlab.data.amounts import Count, GreyBits, MaxPixels
from promptlab.data.pictures.reading import PictureError, Reading
from promptlab.evaluation.given import Given, name_of, pictures_given, reading_for
from promptlab.evaluation.predicted import Predicted
from promptlab.evaluation.prediction import Prediction
from promptlab.evaluation.prediction_sets import prediction_sets
from promptlab.evaluation.scored import Asked, Scored, require_scorable, scored
from promptlab.evaluation.thresholds import Rate
from promptlab.evaluation.video import frames_of, is_video_name
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.ranges import checked

Seconds = Annotated[float, Interval(ge=0, le=1e6)]


_Say = Callable[[Predicted], list[Prediction]]


class _Row(NamedTuple):
    asked: Asked
    said: Prediction
    probabilities: Tensor  # (C,)


@checked(leaving=("images",))
def predict_stream(
    learner: PromptLearner,
    images: Given | Iterable[Given],
    *,
    top: Count = 1,
    every: Seconds = 1.0,
    frames: bool = False,
    sets_from: Rate | Sequence[Rate] | None = None,
    batch_size: Count = 64,
    exif: bool | None = None,
    max_pixels: MaxPixels | None = None,
    grey_bits: GreyBits | None = None,
) -> Iterator[Prediction]:
    """Predict picture after picture, also endlessly; what can't be read is a row with an error, and the rest goes on.

    :func:`promptlab.predict` has all probabilities of all pictures at once, and raises for what can't be read.

    Args:
        learner: what scores.
        images: as for ``predict``, and paths of videos: those are one row each, whose probabilities are the mean over
            frames.
        top: how many classes a row names.
        every: seconds between the frames of a video that are looked at; 0 for every frame.
        frames: whether each of those frames has a row too, before the video's.
        sets_from: the least probability of a class of a picture's set, one or C of them, as
            :func:`promptlab.evaluation.prediction_sets.set_threshold` or ``class_set_thresholds`` choose them; None for
            no sets.
        batch_size: pictures read and scored at a time; their rows come together.
        exif: turn pictures as the orientation in their EXIF says; None for as it was for those that the learner was
            fitted to, here and in the next two.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill.

    Returns:
        A :class:`Prediction` for each picture, in their order.

    Raises:
        TypeError: for what is no picture.
        ValueError: if the learner is transductive, an option is out of range, or ``sets_from`` of another length.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["circle", "star"])
        >>> for row in promptlab.predict_stream(learner, ["gone.jpg"]):
        ...     print(row.picture, row.name, row.error)
        gone.jpg None missing
    """
    require_scorable(learner)
    if isinstance(sets_from, Sequence) and len(sets_from) != len(learner.class_names):
        raise ValueError(f"sets_from has {len(sets_from)} probabilities, for {len(learner.class_names)} classes")
    reading = reading_for(learner, exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    batches = scored(learner, _asked(images, every, reading), reading, batch_size)
    said = partial(_said, top=top, sets_from=sets_from)
    rows = (row for batch in batches for row in _rows(learner, batch, said))
    return _with_videos(learner, rows, said, frames)


def _asked(images: Given | Iterable[Given], every: float, reading: Reading) -> Iterator[Asked]:
    """The pictures, and in place of videos their frames."""
    for place, given in enumerate(pictures_given(images)):
        name = name_of(given, place)
        if not (isinstance(given, str | os.PathLike) and is_video_name(name)):
            yield Asked(name, given, place)
            continue
        try:
            for seconds, picture in frames_of(name, every, reading):
                yield Asked(name, picture, place, seconds)
        except PictureError as error:
            yield Asked(name, error, place)


def _rows(learner: PromptLearner, batch: Scored, say: _Say) -> Iterator[_Row]:
    names = [asked.name for asked in batch.asked]
    predicted = Predicted.of(batch.logits, learner.class_names, names, learner.decision)
    probabilities = predicted.probabilities
    for asked, error, said, own in zip(batch.asked, batch.errors, say(predicted), probabilities.double(), strict=True):
        if error is not None:
            said = Prediction(asked.name, error=error.reason)
        yield _Row(asked, replace(said, seconds=asked.seconds), own)


def _said(predicted: Predicted, *, top: int, sets_from: float | Sequence[float] | None) -> list[Prediction]:
    rows = zip(predicted.pictures, predicted.names, predicted.top(top), strict=True)
    said = [Prediction(picture, name, best[0][1], tuple(best)) for picture, name, best in rows]
    if sets_from is None:
        return said
    inside = prediction_sets(predicted.probabilities, np.asarray(sets_from))
    sets = [tuple(compress(predicted.class_names, row)) for row in inside.tolist()]
    return [replace(one, set=those) for one, those in zip(said, sets, strict=True)]


def _with_videos(learner: PromptLearner, rows: Iterable[_Row], say: _Say, frames: bool) -> Iterator[Prediction]:
    """The rows, those of a video's frames followed or replaced by the video's, which fails with any of them."""
    for _, of_one in groupby(rows, key=lambda row: row.asked.place):
        total, seen, failed, told = torch.zeros(len(learner.class_names), dtype=torch.float64), 0, "", False
        for row in of_one:
            is_frame = row.asked.seconds is not None
            if not is_frame or frames:
                yield row.said
                told = told or row.said.error is not None
            failed = failed or row.said.error or ""
            if is_frame:
                total, seen = total + row.probabilities, seen + 1
        if seen and not failed:
            yield replace(_consensus(learner, row.asked.name, total / seen, say), frames=seen)
        elif failed and not told:
            yield Prediction(row.asked.name, error=failed)


def _consensus(learner: PromptLearner, name: str, probabilities: Tensor, say: _Say) -> Prediction:
    """What is said of a video by the mean of its frames' probabilities (C,)."""
    logits = learner.decision.temperature * probabilities.log()  # whose probabilities they are
    return say(Predicted.of(logits[None].float(), learner.class_names, [name], learner.decision))[0]
