"""The evidence for a learner as one HTML file with its pictures in it: no network, no script; names are text."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptlab.data.items import Items
from promptlab.evaluation.metrics import evaluate_scores
from promptlab.own.adapted import PAGE_NAME, Adapted
from promptlab.report.page.template import filled
from promptlab.report.pictures import data_uri
from promptlab.results.schema import Reliability
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.files import write_text_atomic
from promptlab.support.progress import in_words

SIDE = 160
"""Pixels of a picture's longer side."""
MISTAKES, EXAMPLES = 12, 24
"""How many mistakes are shown, and how many classes have a picture."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassRow:
    """A class: its pictures, how many of those held out were right, what the others were taken for, one to see."""

    name: str
    pictures: int
    held_out: int
    right: int
    taken_for: tuple[tuple[str, int], ...]
    example: str | None


@dataclass(frozen=True)
class Mistake:
    """A held-out picture that was taken for another class, with the probability of that."""

    file: str
    label: str
    said: str
    sure: float
    picture: str | None


def write_page(folder: Path, adapted: Adapted, logits: Tensor, items: Items) -> Path:
    """Write the page, atomically; see :func:`page`.

    Raises:
        UsageError: without jinja2, naming the extra that has it.
    """
    path = folder / PAGE_NAME
    write_text_atomic(path, page(adapted, logits, items, folder))
    return path


def page(adapted: Adapted, logits: Tensor, items: Items, folder: Path) -> str:
    """The page as text.

    Args:
        adapted: how the learner came about.
        logits: (H, C) of the held-out pictures, without the temperature; H is 0 if nothing was held out.
        items: the pictures.
        folder: of the learner, for the commands that are shown.

    Raises:
        UsageError: without jinja2, naming the extra that has it.
    """
    held_out = [row for row, picture in enumerate(adapted.pictures) if picture.fold is not None]
    labels = np.array([adapted.pictures[row].label for row in held_out], dtype=np.int64)
    temperature = 1.0 if adapted.honesty is None else adapted.honesty.temperature
    return filled(
        __package__,
        "adapted.html.j2",
        adapted=adapted,
        folder=str(folder),
        quoted=shlex.quote(str(folder)),
        total=in_words(sum(adapted.seconds.values())),
        spent=", ".join(f"{phase} {in_words(seconds)}" for phase, seconds in adapted.seconds.items()),
        classes=_classes(adapted, held_out, labels, logits, items),
        mistakes=list(_mistakes(adapted, held_out, labels, (logits / temperature).softmax(1), items)),
        bins=_bins(evaluate_scores(logits / temperature, torch.from_numpy(labels)).reliability) if len(logits) else [],
        in_words=in_words,
    )


def _classes(adapted: Adapted, held_out: list[int], labels: IntArray, logits: Tensor, items: Items) -> list[ClassRow]:
    said = logits.argmax(1).numpy() if len(logits) else np.full(len(labels), -1)
    rows = []
    for label, (name, count) in enumerate(zip(adapted.class_names, adapted.counts, strict=True)):
        own = said[labels == label] if len(logits) else said[:0]
        wrong = Counter(adapted.class_names[other] for other in own if other != label)
        taken_for = tuple(wrong.most_common(3))
        first = next((row for row, picture in enumerate(adapted.pictures) if picture.label == label), None)
        example = None if first is None or label >= EXAMPLES else _picture(items, first)
        rows.append(ClassRow(name, count, len(own), int((own == label).sum()), taken_for, example))
    return rows


def _mistakes(
    adapted: Adapted, held_out: list[int], labels: IntArray, probabilities: Tensor, items: Items
) -> Iterator[Mistake]:
    """The surest first."""
    if not len(probabilities):
        return
    sure, said = (values.numpy() for values in probabilities.max(1))
    wrong = np.flatnonzero(said != labels)
    for place in wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES].tolist():
        row, names = held_out[place], adapted.class_names
        picture = _picture(items, row)
        yield Mistake(adapted.pictures[row].file, names[labels[place]], names[said[place]], float(sure[place]), picture)


def _bins(found: Reliability) -> list[tuple[float, float, float, float]]:
    """Left edge, width, accuracy and share of the pictures of each bin that has some."""
    total = sum(found.count)
    parts = zip(found.edges, found.edges[1:], found.accuracy, found.count, strict=False)
    return [(low, high - low, accuracy, count / total) for low, high, accuracy, count in parts if accuracy is not None]


def _picture(items: Items, row: int) -> str | None:
    try:
        return data_uri(items.source.open(int(items.indices[row])), SIDE)
    except DatasetError as error:
        log.warning("left a picture out: %s", error)
        return None
