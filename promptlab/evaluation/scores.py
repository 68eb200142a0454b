"""What a set of predictions scores: each score is a few sums over images, and fields of ``Metrics`` made of them.

Sums are all that is kept of an image, so memory doesn't grow, and two devices' sums add up to those of all images. A
new score is a class here, its place in :func:`scores`, and its field in :class:`~promptlab.results.schema.Metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from promptlab.results.schema import Reliability


@dataclass(frozen=True)
class Batch:
    """Predictions for B images and C classes, on one device.

    Args:
        labels: (B,) int64 class indices in [0, C).
        predicted: (B,) int64, the first class that has the largest logit.
        probabilities: (B, C) float64 softmax of the logits, in [0, 1].
    """

    labels: Tensor
    predicted: Tensor
    probabilities: Tensor


class Score(Protocol):
    """One or several fields of ``Metrics`` that follow from the same sums over images."""

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """Name to what a batch adds to each sum; no other score has a sum of that name."""

    def fields(self, sums: Mapping[str, Tensor], images: int) -> dict[str, Any]:
        """Name to value of the fields of ``Metrics``.

        Args:
            sums: what all images add up to, on the CPU.
            images: how many there were, at least 1.
        """


def scores(n_bins: int) -> tuple[Score, ...]:
    """Every score that ``Metrics`` holds.

    Args:
        n_bins: bins of the reliability table.
    """
    return (PerClass(), Calibration(n_bins))


class PerClass:
    """Accuracies and F1 from right, present and predicted images per class.

    Example:
        >>> labels, predicted = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
        >>> sums = PerClass().sums(Batch(labels, predicted, torch.eye(2)[predicted]))
        >>> sums["support"].tolist(), PerClass().fields(sums, images=3)["mean_class_accuracy"]
        ([2, 1], 0.75)
    """

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """Images per class, (C,) int64 each: that are right, that are there, that were said to be it."""
        n_classes = batch.probabilities.shape[1]
        right = batch.labels[batch.predicted == batch.labels]
        counted = {"correct": right, "support": batch.labels, "predicted": batch.predicted}
        return {name: classes.bincount(minlength=n_classes) for name, classes in counted.items()}

    def fields(self, sums: Mapping[str, Tensor], images: int) -> dict[str, Any]:
        """Averages are over the classes that have images, as CoOp's evaluator takes them."""
        correct, support, predicted = sums["correct"], sums["support"], sums["predicted"]
        present = support > 0
        recall = correct.double() / support  # (C,), NaN where absent
        f1 = 2 * correct.double() / (support + predicted)  # 2tp / (2tp + fn + fp)
        return {
            "top1": int(correct.sum()) / images,
            "mean_class_accuracy": float(recall[present].mean()),
            "macro_f1": float(f1[present].mean()),
            "per_class_accuracy": _none_where_empty(recall, present),
            "per_class_images": tuple(support.tolist()),
        }


class Calibration:
    """Confidence against accuracy in bins of equal width, and the expected calibration error.

    Args:
        n_bins: how many bins.

    Example:
        >>> batch = Batch(torch.tensor([0]), torch.tensor([0]), torch.tensor([[0.75, 0.25]]).double())
        >>> Calibration(2).fields(Calibration(2).sums(batch), images=1)["reliability"].ece
        0.25
    """

    def __init__(self, n_bins: int) -> None:
        self.n_bins = n_bins
        self.edges = torch.linspace(0, 1, n_bins + 1, dtype=torch.double)

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """Images, right images and confidences per bin, (n_bins,) each."""
        confidence = batch.probabilities.gather(1, batch.predicted[:, None])[:, 0].clamp(0, 1)
        bins = torch.bucketize(confidence, self.edges.to(confidence.device), right=True)
        bins = bins.sub(1).clamp(0, self.n_bins - 1)
        return {
            "bin_count": bins.bincount(minlength=self.n_bins),
            "bin_correct": bins[batch.predicted == batch.labels].bincount(minlength=self.n_bins),
            "bin_confidence": bins.bincount(weights=confidence, minlength=self.n_bins),
        }

    def fields(self, sums: Mapping[str, Tensor], images: int) -> dict[str, Any]:
        """The reliability table."""
        count, correct, confidence = sums["bin_count"], sums["bin_correct"], sums["bin_confidence"]
        filled = count > 0
        gaps = (confidence - correct)[filled].abs()  # count * |confidence - accuracy|
        reliability = Reliability(
            edges=tuple(self.edges.tolist()),
            count=tuple(count.tolist()),
            mean_confidence=_none_where_empty(confidence / count, filled),
            accuracy=_none_where_empty(correct.double() / count, filled),
            ece=float(gaps.sum()) / images,
        )
        return {"reliability": reliability}


def _none_where_empty(values: Tensor, filled: Tensor) -> tuple[float | None, ...]:
    return tuple(value if full else None for value, full in zip(values.tolist(), filled.tolist(), strict=True))
