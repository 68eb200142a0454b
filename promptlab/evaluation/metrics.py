"""Scores of a classifier, gathered batch by batch in memory that doesn't grow with the number of images.

The :class:`Evaluator` is a ``torchmetrics.Metric``: its states are sums, which add up over batches and devices. What it
computes of them is our own (:mod:`~promptlab.evaluation.scores`), because torchmetrics' classification metrics mean
something else, or the same less exactly:

* ``MulticlassAccuracy``, micro, is ours divided in float32: other last digits in every Result.
* ``MulticlassAccuracy`` and ``MulticlassF1Score``, macro, also average over classes that were only predicted, with a
  score of zero; ours over the classes that have test images, as CoOp's evaluator does. They count in a (C, C) table per
  batch, which 21,000 classes can't afford.
* ``MulticlassCalibrationError`` keeps every confidence, and gives 1.0 a bin of its own.

The tests hold ours against theirs where both mean the same. Ties go to the class that comes first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from promptlab.evaluation.scores import Batch, scores
from promptlab.results.schema import Metrics
from promptlab.support.errors import PromptlabError

N_BINS = 15
TOP_K = 5


class MetricsError(PromptlabError, ValueError):
    """Scores that can't be evaluated: wrong shapes, labels out of range, NaN, or no images at all."""


class Evaluator(Metric):
    """Gathers logits and labels and computes :class:`Metrics`, on the CPU or where ``to`` moves it.

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
        >>> another = Evaluator(2)
        >>> another.update(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1]))
        >>> evaluator.merge_state(another)
        >>> evaluator.compute().top1
        0.75
    """

    full_state_update = False
    is_differentiable = False
    images: Tensor

    def __init__(self, num_classes: int, n_bins: int = N_BINS) -> None:
        if num_classes < 1 or n_bins < 1:
            raise ValueError(f"an Evaluator needs at least one class and one bin, got {num_classes} and {n_bins}")
        super().__init__(compute_with_cache=False)  # a kept answer would outlive merge_state
        self.num_classes = num_classes
        self.n_bins = n_bins
        self._scores = scores(n_bins)
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")
        for name, zeros in self._sums(_batch(torch.empty(0, num_classes), torch.empty(0, dtype=torch.long))).items():
            self.add_state(name, zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (B, C) scores before softmax, any float type, on any device.
            labels: (B,) class indices in [0, C).

        Raises:
            MetricsError: for other shapes, labels out of range, or logits that have no softmax.
        """
        batch = _batch(*self._checked(logits, labels))
        for name, added in self._sums(batch).items():
            setattr(self, name, getattr(self, name) + added)
        self.images = self.images + len(batch.labels)

    def compute(self) -> Metrics:
        """Scores of everything added so far, on every device.

        Raises:
            MetricsError: if nothing was added.
        """
        images = int(self.images)
        if images == 0:
            raise MetricsError("no images to score")
        fields: dict[str, Any] = {"images": images}
        sums = {name: state.cpu() for name, state in self.metric_state.items() if isinstance(state, Tensor)}
        for score in self._scores:
            fields |= score.fields(sums, images)
        return Metrics(**fields)

    def forward(self, logits: Tensor, labels: Tensor) -> Metrics:
        """Add a batch, and score it alone; arguments and errors as :meth:`update`."""
        metrics: Metrics = super().forward(logits, labels)
        self._forward_cache = None  # torchmetrics would look for tensors in it when it moves to another device
        return metrics

    def _sums(self, batch: Batch) -> dict[str, Tensor]:
        return {name: added for score in self._scores for name, added in score.sums(batch).items()}

    def _checked(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Both on the evaluator's device, labels as long."""
        if logits.ndim != 2 or logits.shape[1] != self.num_classes or labels.shape != logits.shape[:1]:
            raise MetricsError(
                f"expected logits (B, {self.num_classes}) and labels (B,), "
                f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise MetricsError(f"labels must be class indices of an integer type, got {labels.dtype}")
        labels = labels.detach().to(self.device).long()
        outside = labels[(labels < 0) | (labels >= self.num_classes)]
        if outside.numel():
            raise MetricsError(f"label {int(outside[0])} is outside [0, {self.num_classes})")
        return logits.detach().to(self.device), labels

    def _wrap_compute(self, compute: Callable[[], Metrics]) -> Callable[[], Metrics]:
        """As torchmetrics wraps it, which gathers the devices' states.

        It also looks for tensors in the answer and refuses a frozen dataclass; it doesn't look into a function.
        """
        wrapped = super()._wrap_compute(lambda: _sealed(compute()))
        return functools.wraps(compute)(lambda: wrapped()())


def evaluate_scores(logits: Tensor, labels: Tensor, n_bins: int = N_BINS) -> Metrics:
    """Score one batch; see :class:`Evaluator`.

    Args:
        logits: (N, C) scores before softmax.
        labels: (N,) class indices in [0, C).
        n_bins: bins of the reliability table.

    Raises:
        MetricsError: for other shapes, labels out of range, logits that have no softmax, or no images.

    Example:
        >>> evaluate_scores(torch.tensor([[2.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1])).per_class_accuracy
        (1.0, 0.0)
    """
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise MetricsError(f"expected logits (N, C), got {tuple(logits.shape)}")
    evaluator = Evaluator(logits.shape[1], n_bins)
    evaluator.update(logits.cpu(), labels.cpu())
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

    Example:
        >>> ids, probabilities = top_predictions(torch.tensor([[1.0, 3.0, 3.0]]), k=2)
        >>> ids.tolist()
        [[1, 2]]
    """
    if logits.ndim != 2:
        raise MetricsError(f"expected logits (B, C), got {tuple(logits.shape)}")
    logits = logits.detach().cpu()
    ids = logits.sort(dim=1, descending=True, stable=True).indices[:, :k]  # (B, k); topk promises no order of ties
    probabilities = _softmax(logits).gather(1, ids).float().clamp(0, 1)
    return ids, probabilities.cummin(dim=1).values  # exp may round two almost equal logits the other way round


def _batch(logits: Tensor, labels: Tensor) -> Batch:
    return Batch(labels, logits.argmax(dim=1), _softmax(logits))


def _softmax(logits: Tensor) -> Tensor:
    probabilities = logits.double().softmax(dim=1)  # (B, C)
    if not bool(probabilities.isfinite().all()):
        raise MetricsError("logits hold NaN or infinities: no prediction can be made of them (did training diverge?)")
    return probabilities


def _sealed(metrics: Metrics) -> Callable[[], Metrics]:
    return lambda: metrics
