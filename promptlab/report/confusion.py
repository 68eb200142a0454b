"""Which classes are taken for which, read from the predictions beside the results."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptlab.report.averages import SweepRow
from promptlab.results.document import ResultError
from promptlab.results.predictions import read_predictions

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """What was predicted for each class on one evaluation set, all seeds together.

    Args:
        dataset: that the test images are of.
        evaluation: name of the evaluation set.
        class_names: C names in label order.
        counts: (C, C) images by label and prediction.
    """

    dataset: str
    evaluation: str
    class_names: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    def pairs(self, most: int = 10) -> list[tuple[str, str, int, float]]:
        """The most confused pairs: label, prediction, images, and their share of the label's images in [0, 1]."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        totals = self.counts.sum(axis=1)
        pairs = [tuple(map(int, np.unravel_index(at, wrong.shape))) for at in order]
        return [
            (
                self.class_names[label],
                self.class_names[said],
                int(wrong[label, said]),
                wrong[label, said] / totals[label],
            )
            for label, said in pairs
            if wrong[label, said]
        ]


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
            before = found.get(name)
            if before is not None and before.class_names == predictions.class_names:
                counts = counts + before.counts
            names = predictions.class_names
            found[name] = Confusion(dataset=part.dataset, evaluation=name, class_names=names, counts=counts)
    return list(found.values())
