"""Scores of a classifier, gathered batch by batch in memory that doesn't grow with the number of images.

Top-1 is micro accuracy; the mean per-class accuracy and macro-F1 average over the classes that have test images, as
CoOp's evaluator does. Ties go to the class that comes first. torchmetrics checks these numbers in the tests rather
than computing them here: its macro-F1 also averages over classes that were only predicted, its calibration error
keeps every confidence and gives 1.0 a bin of its own, and its counts are taken from a (C, C) table per batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from promptlab.results.schema import Metrics, Reliability
from promptlab.support.errors import PromptlabError

N_BINS = 15
TOP_K = 5


class MetricsError(PromptlabError, ValueError):
    """Scores that can't be evaluated: wrong shapes, labels out of range, NaN, or no images at all."""


class Evaluator:
    """Gathers logits and labels and computes :class:`Metrics`.

    Args:
        num_classes: size C of the label space.
        n_bins: bins of the reliability table.

    Raises:
        ValueError: for fewer than one class or bin.

    Example:
        >>> evaluator = Evaluator(2)
        >>> evaluator.update(torch.tensor([[2.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1]))
        >>> evaluator.compute().top1
        0.5
    """

    def __init__(self, num_classes: int, n_bins: int = N_BINS) -> None:
        if num_classes < 1 or n_bins < 1:
            raise ValueError(f"an Evaluator needs at least one class and one bin, got {num_classes} and {n_bins}")
        self.num_classes = num_classes
        self.n_bins = n_bins
        self._correct = torch.zeros(num_classes, dtype=torch.long)
        self._support = torch.zeros(num_classes, dtype=torch.long)
        self._predicted = torch.zeros(num_classes, dtype=torch.long)
        self._edges = torch.linspace(0, 1, n_bins + 1, dtype=torch.double)
        self._bin_count = torch.zeros(n_bins, dtype=torch.long)
        self._bin_correct = torch.zeros(n_bins, dtype=torch.long)
        self._bin_confidence = torch.zeros(n_bins, dtype=torch.double)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (B, C) scores before softmax, any float type, on any device.
            labels: (B,) class indices in [0, C).

        Raises:
            MetricsError: for other shapes, labels out of range, or logits that have no softmax.
        """
        logits, labels = self._checked(logits, labels)
        confidence, predicted = _confidence(logits)
        correct = predicted == labels
        self._support += labels.bincount(minlength=self.num_classes)
        self._predicted += predicted.bincount(minlength=self.num_classes)
        self._correct += labels[correct].bincount(minlength=self.num_classes)
        bins = torch.bucketize(confidence, self._edges, right=True).sub(1).clamp(0, self.n_bins - 1)
        self._bin_count += bins.bincount(minlength=self.n_bins)
        self._bin_correct += bins[correct].bincount(minlength=self.n_bins)
        self._bin_confidence += bins.bincount(weights=confidence, minlength=self.n_bins)

    def compute(self) -> Metrics:
        """Scores of everything added so far.

        Raises:
            MetricsError: if nothing was added.
        """
        images = int(self._support.sum())
        if images == 0:
            raise MetricsError("no images to score")
        present = self._support > 0
        recall = self._correct.double() / self._support  # (C,), NaN where absent
        f1 = 2 * self._correct.double() / (self._support + self._predicted)  # 2tp / (2tp + fn + fp)
        return Metrics(
            top1=int(self._correct.sum()) / images,
            mean_class_accuracy=float(recall[present].mean()),
            macro_f1=float(f1[present].mean()),
            images=images,
            per_class_accuracy=_none_where_empty(recall, present),
            per_class_images=tuple(self._support.tolist()),
            reliability=self._reliability(images),
        )

    def _checked(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Both on the CPU, as float and long."""
        if logits.ndim != 2 or logits.shape[1] != self.num_classes or labels.shape != logits.shape[:1]:
            raise MetricsError(
                f"expected logits (B, {self.num_classes}) and labels (B,), "
                f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise MetricsError(f"labels must be class indices of an integer type, got {labels.dtype}")
        labels = labels.detach().cpu().long()
        outside = labels[(labels < 0) | (labels >= self.num_classes)]
        if outside.numel():
            raise MetricsError(f"label {int(outside[0])} is outside [0, {self.num_classes})")
        return logits.detach().cpu(), labels

    def _reliability(self, images: int) -> Reliability:
        filled = self._bin_count > 0
        confidence = self._bin_confidence / self._bin_count
        accuracy = self._bin_correct.double() / self._bin_count
        gaps = (self._bin_confidence - self._bin_correct)[filled].abs()  # count * |confidence - accuracy|
        return Reliability(
            edges=tuple(self._edges.tolist()),
            count=tuple(self._bin_count.tolist()),
            mean_confidence=_none_where_empty(confidence, filled),
            accuracy=_none_where_empty(accuracy, filled),
            ece=float(gaps.sum()) / images,
        )


def evaluate_scores(logits: Tensor, labels: Tensor, n_bins: int = N_BINS) -> Metrics:
    """Score one batch; see :class:`Evaluator`.

    Args:
        logits: (N, C) scores before softmax.
        labels: (N,) class indices in [0, C).
        n_bins: bins of the reliability table.

    Raises:
        MetricsError: for other shapes, labels out of range, logits that have no softmax, or no images.
    """
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise MetricsError(f"expected logits (N, C), got {tuple(logits.shape)}")
    evaluator = Evaluator(logits.shape[1], n_bins)
    evaluator.update(logits, labels)
    return evaluator.compute()


def top_predictions(logits: Tensor, k: int = TOP_K) -> tuple[Tensor, Tensor]:
    """The k best classes of each image, ties in class order, so that the first is the prediction that is scored.

    Args:
        logits: (B, C) scores before softmax.
        k: how many; C where there are fewer classes.

    Returns:
        ids (B, min(k, C)) int64, and their softmax probabilities, float32 in [0, 1], best first; both on the CPU.

    Raises:
        MetricsError: for another shape, or logits that have no softmax.
    """
    if logits.ndim != 2:
        raise MetricsError(f"expected logits (B, C), got {tuple(logits.shape)}")
    logits = logits.detach().cpu()
    ids = logits.sort(dim=1, descending=True, stable=True).indices[:, :k]  # (B, k); topk promises no order of ties
    probabilities = _softmax(logits).gather(1, ids).float().clamp(0, 1)
    return ids, probabilities.cummin(dim=1).values  # exp may round two almost equal logits the other way round


def _confidence(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Largest softmax probability and the first class that has the largest logit, both (B,)."""
    predicted = logits.argmax(dim=1)
    return _softmax(logits).gather(1, predicted[:, None])[:, 0].clamp(0, 1), predicted


def _softmax(logits: Tensor) -> Tensor:
    probabilities = logits.double().softmax(dim=1)  # (B, C)
    if not bool(probabilities.isfinite().all()):
        raise MetricsError("logits hold NaN or infinities: no prediction can be made of them (did training diverge?)")
    return probabilities


def _none_where_empty(values: Tensor, filled: Tensor) -> tuple[float | None, ...]:
    return tuple(value if full else None for value, full in zip(values.tolist(), filled.tolist(), strict=True))
