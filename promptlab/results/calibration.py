"""What of a Result says how far probabilities can be believed, and what made them more honest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CalibrationErrors:
    """How far probabilities are from what happened; 0 is perfect.

    Args:
        ece: expected calibration error over 15 bins of equal width, in [0, 1].
        adaptive_ece: the same over 15 bins of equal numbers of images, in [0, 1].
        brier: squared distance between an image's probabilities and its class, summed over classes, averaged over
            images, in [0, 2].
        nll: negative logarithm of the probability of an image's class, averaged over images; None where a class that
            images are of has no probability at all.
    """

    ece: float
    adaptive_ece: float
    brier: float
    nll: float | None


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """What logits are divided by before the softmax; it changes no answer.

    Args:
        value: above 0.
        chosen_on: images that it was fitted on, in words; none of them is tested.
        images: how many.
    """

    value: float
    chosen_on: str
    images: int
