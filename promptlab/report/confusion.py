"""Which classes are taken for which, and which images, read from the predictions beside the results."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptlab.report.averages import SweepRow
from promptlab.results.document import Result, ResultError
from promptlab.results.predictions import Predictions, read_predictions

MOST_MISTAKES = 6
"""Images that a pair names, some of which may not be there any more."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A test image that was taken for another class.

    Args:
        file: its name, relative to its dataset's folder where it is a file.
        content_id: hash of its bytes, 32 hexadecimal digits.
        confidence: the probability of the wrong class in [0, 1].
        config: the configuration of the run that predicted it, which says where its dataset lay.
    """

    file: str
    content_id: str
    confidence: float
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A class whose images are taken for another.

    Args:
        label: the class.
        said: what is predicted.
        images: how many, all seeds together.
        share: of the label's images in [0, 1].
        mistakes: some of the images, each once, those with the most confidence first.
    """

    label: str
    said: str
    images: int
    share: float
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """What was predicted for each class on one evaluation set, all seeds together.

    Args:
        dataset: that the test images are of.
        evaluation: name of the evaluation set.
        class_names: C names in label order.
        counts: (C, C) images by label and prediction.
        read: the runs and their predictions.
    """

    dataset: str
    evaluation: str
    class_names: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    read: tuple[tuple[Result, Predictions], ...] = ()

    def pairs(self, most: int = 10) -> list[Pair]:
        """The most confused pairs."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        places = [tuple(map(int, np.unravel_index(at, wrong.shape))) for at in order]
        return [self._pair(label, said, int(wrong[label, said])) for label, said in places if wrong[label, said]]

    def _pair(self, label: int, said: int, images: int) -> Pair:
        return Pair(
            label=self.class_names[label],
            said=self.class_names[said],
            images=images,
            share=images / int(self.counts[label].sum()),
            mistakes=self._mistakes(label, said),
        )

    def _mistakes(self, label: int, said: int) -> tuple[Mistake, ...]:
        found: dict[str, Mistake] = {}
        for run, predictions in self.read:
            for at in np.flatnonzero((predictions.labels == label) & (predictions.top_ids[:, 0] == said)):
                mistake = Mistake(
                    file="" if predictions.files is None else predictions.files[at],
                    content_id=predictions.image_ids[at].tobytes().hex(),
                    confidence=float(predictions.top_probabilities[at, 0]),
                    config=run.config,
                )
                before = found.setdefault(mistake.content_id, mistake)
                if before.confidence < mistake.confidence:
                    found[mistake.content_id] = mistake
        return tuple(sorted(found.values(), key=lambda mistake: -mistake.confidence)[:MOST_MISTAKES])


def confusions(row: SweepRow, folders: Mapping[str, Path]) -> list[Confusion]:
    """A row's confusions, one per evaluation set whose predictions are there; what is damaged is skipped and named.

    Args:
        row: runs averaged over seeds.
        folders: fit id to the folder of its run.
    """
    found: dict[str, Confusion] = {}
    for run in row.runs:
        for name, part in run.evaluations.items():
            path = folders[run.fit_id] / part.predictions if part.predictions and run.fit_id in folders else None
            if path is None or not path.exists():
                continue
            try:
                predictions = read_predictions(path)
            except ResultError as error:
                _logger.warning("skipped predictions that can't be read: %s", error)
                continue
            classes = len(predictions.class_names)
            cells = predictions.labels.astype(np.int64) * classes + predictions.top_ids[:, 0]
            counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
            names = predictions.class_names
            read: tuple[tuple[Result, Predictions], ...] = ((run, predictions),)
            before = found.get(name)
            if before is not None and before.class_names == names:
                counts, read = counts + before.counts, (*before.read, *read)
            found[name] = Confusion(dataset=part.dataset, evaluation=name, class_names=names, counts=counts, read=read)
    return list(found.values())
