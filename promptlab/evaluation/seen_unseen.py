"""The seen-unseen curve of generalised zero-shot learning, exact for the test images at hand.

Source: Chao et al., An Empirical Study and Analysis of Generalized Zero-Shot Learning for Object Recognition in the
Wild, https://arxiv.org/abs/1605.04253 (calibrated stacking; the area under the curve).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptlab.support.arrays import DoubleArray

CURVE_POINTS = 101


@dataclass(frozen=True)
class Tradeoff:
    """Every pair of accuracies that some bias gives.

    Args:
        limits: (T,) biases at which an image changes sides, rising; pair t holds for biases in
            (limits[t - 1], limits[t]], the first for all up to limits[0], the last for all above limits[-1].
        seen: (T + 1,) mean per-class accuracy of the seen classes' images.
        unseen: (T + 1,) the same of the unseen classes' images.
    """

    limits: DoubleArray
    seen: DoubleArray
    unseen: DoubleArray

    @property
    def area(self) -> float:
        """Under seen over unseen accuracy, by trapezoids."""
        return float((np.diff(self.unseen) * (self.seen[1:] + self.seen[:-1])).sum() / 2)

    @property
    def best_bias(self) -> float | None:
        """In the middle of where H is largest, of equals where the bias is nearest to 0; None if H is 0 everywhere."""
        total = self.seen + self.unseen
        harmonic = np.divide(2 * self.seen * self.unseen, total, out=np.zeros_like(total), where=total > 0)
        if not harmonic.any():
            return None
        lows = np.concatenate([self.limits[:1], self.limits])
        highs = np.concatenate([self.limits, self.limits[-1:] + 1])
        middles = (lows + highs) / 2
        best = np.flatnonzero(harmonic >= harmonic.max() * (1 - 1e-12))
        return float(middles[best[np.abs(middles[best]).argmin()]])

    def at(self, bias: float) -> tuple[float, float]:
        """Seen and unseen accuracy at a bias."""
        place = int(np.searchsorted(self.limits, bias, side="left"))
        return float(self.seen[place]), float(self.unseen[place])

    def shown(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """At most 101 biases, spread over the images that change sides, and the accuracies there."""
        steps = np.unique(np.linspace(0, len(self.limits) - 1, CURVE_POINTS).round().astype(int))
        pairs = [self.at(float(bias)) for bias in self.limits[steps]]
        return tuple(self.limits[steps].tolist()), tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)


def tradeoff(
    seen_logits: Tensor, seen_labels: Tensor, unseen_logits: Tensor, unseen_labels: Tensor, is_unseen: Tensor
) -> Tradeoff:
    """What adding a bias to the logits of unseen classes gives.

    An image is said to be of an unseen class exactly if the bias exceeds its margin, the best seen logit minus the best
    unseen one.

    Args:
        seen_logits: (N, C) of the seen classes' images, over all classes.
        seen_labels: (N,).
        unseen_logits: (M, C) of the unseen classes' images.
        unseen_labels: (M,).
        is_unseen: (C,) bool; both kinds are there.

    Example:
        >>> seen, unseen = torch.tensor([[3.0, 1.0]]), torch.tensor([[2.0, 1.0]])  # both look like the seen class 0
        >>> whole = tradeoff(seen, torch.tensor([0]), unseen, torch.tensor([1]), torch.tensor([False, True]))
        >>> whole.at(0.0), whole.at(1.5), whole.at(5.0)
        ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
        >>> whole.area, whole.best_bias
        (1.0, 1.5)
    """
    lost_at, lost = _flips(seen_logits, seen_labels, is_unseen, of_unseen=False)
    won_at, won = _flips(unseen_logits, unseen_labels, is_unseen, of_unseen=True)
    limits = np.unique(np.concatenate([lost_at, won_at]))
    gone = np.concatenate([[0.0], np.cumsum(_per_limit(limits, lost_at, lost))])
    gained = np.concatenate([[0.0], np.cumsum(_per_limit(limits, won_at, won))])
    return Tradeoff(limits, np.clip(lost.sum() - gone, 0, 1), np.clip(gained, 0, 1))


def _flips(logits: Tensor, labels: Tensor, is_unseen: Tensor, *, of_unseen: bool) -> tuple[DoubleArray, DoubleArray]:
    """Per image: the margin, and its weight in the mean per-class accuracy if it is right on its own side, else 0."""
    logits = logits.double()
    sides = [logits.masked_fill(others, float("-inf")) for others in (is_unseen, ~is_unseen)]
    margin = sides[0].amax(1) - sides[1].amax(1)
    right = sides[of_unseen].argmax(1) == labels
    counts = torch.bincount(labels, minlength=len(is_unseen))
    weight = right.double() / (counts[labels] * int((counts > 0).sum()))
    return margin.numpy(), weight.numpy()


def _per_limit(limits: DoubleArray, at: DoubleArray, weight: DoubleArray) -> DoubleArray:
    summed: DoubleArray = np.zeros(len(limits))
    np.add.at(summed, np.searchsorted(limits, at), weight)
    return summed
