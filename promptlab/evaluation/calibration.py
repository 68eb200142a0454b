"""How far probabilities are from what happened, before and after a temperature.

The likelihood is torch's, the expected calibration error that of :class:`~promptlab.evaluation.scores.Calibration`. The
other two are our own: the Brier score because scikit-learn's takes several classes since version 1.7 alone, and the
adaptive calibration error because torchmetrics has none and netcal, which has (``ECE(equal_intervals=False)``), brings
pyro, gpytorch and tensorboard. The tests hold ours against theirs.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from promptlab.evaluation.metrics import N_BINS, evaluate_scores
from promptlab.results.calibration import CalibrationErrors
from promptlab.support.arrays import BoolArray, DoubleArray


def calibration_errors(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> CalibrationErrors:
    """How far the probabilities of N images are from their labels.

    Args:
        logits: (N, C) scores before softmax, N at least 1.
        labels: (N,) class indices in [0, C).
        temperature: what the logits are divided by.

    Example:
        >>> import torch
        >>> logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
        >>> before, after = calibration_errors(logits, labels), calibration_errors(logits, labels, temperature=1e9)
        >>> round(before.ece, 3), round(after.ece, 3), round(before.brier, 3), round(after.brier, 3)
        (0.381, 0.0, 0.79, 0.5)
    """
    divided = logits.double().cpu() / temperature
    probabilities, labels = divided.softmax(1), labels.cpu()
    confidence, predicted = probabilities.max(1)
    nll = float(F.cross_entropy(divided, labels))
    return CalibrationErrors(
        ece=evaluate_scores(divided, labels).reliability.ece,
        adaptive_ece=adaptive_ece(confidence.numpy(), (predicted == labels).numpy()),
        brier=float((probabilities - F.one_hot(labels, logits.shape[1])).square().sum(1).mean()),
        nll=nll if math.isfinite(nll) else None,
    )


def adaptive_ece(confidence: DoubleArray, right: BoolArray, n_bins: int = N_BINS) -> float:
    """The expected calibration error over bins of equal numbers of images, whose limits are quantiles.

    Source: Nguyen and O'Connor, Posterior calibration and exploratory analysis for natural language processing models,
    https://arxiv.org/abs/1508.05154. Images of equal confidence share a bin.

    Args:
        confidence: (N,) largest probability of each image, N at least 1.
        right: (N,) whether the prediction is.
        n_bins: how many bins.

    Example:
        >>> adaptive_ece(np.array([0.5, 0.5, 0.75, 0.75]), np.array([True, False, True, True]), n_bins=2)
        0.125
    """
    limits = np.quantile(confidence, np.linspace(0, 1, n_bins + 1))[1:-1]
    bins = np.searchsorted(limits, confidence, side="right")  # (N,) in [0, n_bins)
    gaps = np.bincount(bins, weights=confidence - right, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))
