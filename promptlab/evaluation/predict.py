"""What a learner says of a user's own pictures."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from promptlab.data.amounts import Count, GreyBits, MaxPixels
from promptlab.data.pictures.picture import REMARKS
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.given import Given, name_of, pictures_given, read_given
from promptlab.evaluation.predicted import Predicted
from promptlab.evaluation.test_time import encoded, views_of_picture
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.machine import reader_threads
from promptlab.support.ranges import checked
from promptlab.support.words import counted, of_one, some_of

log = logging.getLogger(__name__)


@checked(leaving=("images",))
def predict(
    learner: PromptLearner,
    images: Given | Iterable[Given],
    *,
    batch_size: Count = 64,
    exif: bool | None = None,
    max_pixels: MaxPixels | None = None,
    grey_bits: GreyBits | None = None,
) -> Predicted:
    """Class probabilities and names of pictures.

    Pictures are read as those of a dataset, batch after batch: of many no more than a batch is open at a time. An
    option that is None is as it was for the pictures that the learner was fitted to, which saved learners remember.

    Args:
        learner: what scores.
        images: N pictures, or an iterable that gives them: paths, bytes, open files, PIL images, arrays (H, W, 3) or
            tensors (3, H, W) of bytes or of floats from 0 to 1. No picture at all is fine.
        batch_size: pictures read and scored at a time.
        exif: turn pictures as the orientation in their EXIF says.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill.

    Returns:
        (N, C) rows that sum to 1, columns in the order of ``learner.class_names``: a tensor with ``names``, the answer
        for each picture as ``learner.decision`` makes it, ``top(k)``, ``rows()`` and ``logits``.

    Raises:
        DatasetError: if a picture can't be read; it is an ``OSError`` too.
        TypeError: for what is no picture.
        ValueError: if the learner is transductive, or an option is out of range.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> picture = promptlab.demo_dataset("demo_shapes").test.source.open(0)
        >>> predicted = promptlab.predict(promptlab.ZeroShot(clip, ["circle", "star"]), [picture])
        >>> predicted.shape, len(predicted.names)
        (torch.Size([1, 2]), 1)
    """
    if learner.transductive:
        raise ValueError(
            f"{type(learner).__name__} scores all test images together, so a picture's probabilities would follow from "
            "which others are given: score Items with promptlab.evaluate"
        )
    given = {"exif": exif, "max_pixels": max_pixels, "grey_bits": grey_bits}
    reading = Reading(**{**learner.reading, **{key: value for key, value in given.items() if value is not None}})
    names: list[str] = []
    logits = [torch.empty(0, len(learner.class_names))]
    for batch, scores in _scored(learner, images, reading, batch_size):
        names += batch
        logits.append(scores)
    return Predicted.of(torch.cat(logits), learner.class_names, names, learner.decision)


def _scored(
    learner: PromptLearner, images: Given | Iterable[Given], reading: Reading, batch_size: int
) -> Iterator[tuple[list[str], Tensor]]:
    """Names and logits (B, C) on the CPU, batch by batch; what is unusual about pictures is said at the end."""
    learner.eval()
    remarks: dict[str, list[str]] = defaultdict(list)
    with torch.no_grad():
        scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()

    def read(named: tuple[str, Given]) -> tuple[Tensor, tuple[str, ...]]:
        image = read_given(named[1], reading, name=named[0])
        said: tuple[str, ...] = image.info.get(REMARKS, ())
        return views_of_picture(learner, image), said

    with ThreadPoolExecutor(reader_threads()) as pool:
        numbered: Iterator[tuple[int, Any]] = enumerate(pictures_given(images))
        while batch := list(islice(numbered, batch_size)):
            named = [(name_of(given, position), given) for position, given in batch]
            opened = list(pool.map(read, named))
            for (name, _), (_, said) in zip(named, opened, strict=True):
                for remark in said:
                    remarks[remark].append(name)
            with torch.no_grad():
                inputs = torch.stack([views for views, _ in opened]).to(learner.clip.device)
                scores = scorer(encoded(learner, inputs) if learner.needs == "features" else inputs)
                yield [name for name, _ in named], scores.float().cpu()
    for remark, whose in remarks.items():
        what = counted(len(whose), f"picture {of_one(remark)}", f"pictures {remark}")
        log.warning("%s: %s", what, some_of(whose))
