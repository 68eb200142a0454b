"""How well known images are told from unknown ones by the logits over the known classes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from promptlab.protocols.task import UnknownScore
from promptlab.results.open_world import Detection
from promptlab.support.arrays import DoubleArray


def knownness(logits: Tensor, score: UnknownScore = "msp", temperature: float = 1.0) -> DoubleArray:
    """How well images are known, by logits over the known classes; the largest are known best.

    ``msp`` is the largest softmax probability (Hendrycks and Gimpel, https://arxiv.org/abs/1610.02136), which with the
    backbone's logit scale as the temperature (100 for OpenAI's CLIP) is MCM (https://arxiv.org/abs/2211.13445);
    ``max_logit`` the largest logit (https://arxiv.org/abs/1911.11132), which no temperature changes the order of;
    ``energy`` T * logsumexp(logits / T) (https://arxiv.org/abs/2010.03759).

    Args:
        logits: (N, C).
        score: which.
        temperature: T, what logits are divided by.

    Returns:
        (N,) float64.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0], [5.0, 5.0]])
        >>> knownness(logits).round(3).tolist(), knownness(logits, "max_logit").tolist()
        ([0.881, 0.5], [2.0, 5.0])
    """
    divided = logits.double() / temperature
    if score == "msp":
        found = divided.softmax(1).amax(1)
    elif score == "max_logit":
        found = logits.double().amax(1)
    else:
        found = temperature * divided.logsumexp(1)
    scores: DoubleArray = found.numpy()
    return scores


def detection(known: DoubleArray, unknown: DoubleArray) -> Detection:
    """How well a score tells known images from unknown ones.

    Args:
        known: (N,) scores of known images, N at least 1.
        unknown: (M,) scores of unknown images, M at least 1.

    Example:
        >>> found = detection(np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.1]))
        >>> round(found.auroc, 4), found.fpr95
        (0.8333, 0.5)
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to import, and few runs ask

    is_known = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    scores = np.concatenate([known, unknown])
    most = -(-95 * len(known) // 100)  # so many known images are at least 95 % of them
    threshold = np.sort(known)[len(known) - most]
    return Detection(
        auroc=float(roc_auc_score(is_known, scores)),
        aupr_in=float(average_precision_score(is_known, scores)),
        aupr_out=float(average_precision_score(1 - is_known, -scores)),
        fpr95=float((unknown >= threshold).mean()),
    )


def openworld_auc(known: DoubleArray, known_right: Tensor, new: DoubleArray, new_right: Tensor) -> float:
    """OpenworldAUC of Hua et al. (https://arxiv.org/abs/2505.05180): one number for detection and both classifications.

    The share of all pairs of a base and a new image in which the base image is put into its class among the base
    classes, the new one into its class among the new classes, and the base image scores higher; a tie counts as none.

    Args:
        known: (N,) scores of base images, N at least 1.
        known_right: (N,) bool, whether they are put into their class.
        new: (M,) scores of new images by the same logits, M at least 1.
        new_right: (M,) bool.

    Example:
        >>> import torch
        >>> right = torch.tensor([True, False])
        >>> openworld_auc(np.array([0.9, 0.8]), right, np.array([0.5, 0.1]), torch.tensor([True, True]))
        0.5
    """
    below = np.searchsorted(np.sort(new[new_right.numpy()]), known[known_right.numpy()], side="left")
    return float(below.sum() / (len(known) * len(new)))


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,) bool: whether the first class with the largest logit (N, C) is the label (N,)."""
    return logits.argmax(1) == labels
