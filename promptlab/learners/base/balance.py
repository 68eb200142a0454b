"""Cross-entropy where classes have unequal numbers of training images: weighted, or with adjusted logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

BalanceName = Literal["none", "class_weights", "logit_adjustment"]
"""What makes up for unequal numbers."""


@dataclass(frozen=True)
class Balance:
    """What a cross-entropy does with classes of unequal numbers.

    ``class_weights`` weighs an image by N / (K n) for n training images of its class, N in all and K classes that have
    some, as scikit-learn's ``balanced`` and torch's weighted mean have it. ``logit_adjustment`` adds the logarithm of
    n / N to each logit while training, and to none when scoring: Menon et al., Long-tail learning via logit adjustment,
    https://arxiv.org/abs/2007.07314, equation 10 with a temperature of 1.

    Args:
        weights: (C,) by class, or None.
        priors: (C,) logarithms of the shares, -inf for a class without images, or None.

    Example:
        >>> rare = Balance.of("class_weights", torch.tensor([0, 0, 0, 1]), n_classes=2)
        >>> rare.weights
        tensor([0.6667, 2.0000])
    """

    weights: Tensor | None = None
    priors: Tensor | None = None

    @classmethod
    def of(cls, name: BalanceName, labels: Tensor, n_classes: int) -> Balance:
        """The balance for training images with these labels (N,), on their device."""
        counts = labels.bincount(minlength=n_classes).float()  # (C,)
        if name == "class_weights":
            return cls(weights=torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts), 0.0))
        return cls(priors=(counts / len(labels)).log()) if name == "logit_adjustment" else cls()

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over a batch, of logits (B, C) and labels (B,)."""
        if self.priors is not None:
            logits = logits + self.priors.to(logits.dtype)
        weights = None if self.weights is None else self.weights.to(logits.dtype)
        return F.cross_entropy(logits, labels, weight=weights)


NO_BALANCE = Balance()
