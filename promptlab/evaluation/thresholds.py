"""When the answer is "none of these": a threshold on the largest probability, chosen on held-out pictures.

A picture is answered where its most probable class has at least the threshold, as :class:`Decision` has it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from promptlab.support.ranges import checked

Rate = Annotated[float, Interval(ge=0, le=1)]
"""A share of pictures."""


@checked(leaving=("confidences",))
def threshold_for_coverage(confidences: npt.ArrayLike, coverage: Rate) -> float:
    """The largest threshold under which at least this share of pictures is answered.

    It is the k-th largest confidence, k the share of the N pictures, rounded up; with equal confidences more than that
    share is answered.

    Args:
        confidences: (N,) each held-out picture's largest probability, after the temperature:
            ``decision.probabilities(logits).amax(1)``.
        coverage: the share that is answered; at 0 the threshold is 1.

    Raises:
        ValueError: for no pictures, or what is no probability.

    Example:
        >>> threshold_for_coverage([0.9, 0.8, 0.6, 0.3], 0.75)  # three of four
        0.6
    """
    sorted_down = np.sort(_probabilities(confidences))[::-1]
    answered = math.ceil(share(coverage, len(sorted_down)))
    return float(sorted_down[answered - 1]) if answered else 1.0


@checked(leaving=("unknown_confidences",))
def threshold_for_false_alarms(unknown_confidences: npt.ArrayLike, rate: Rate) -> float:
    """The least threshold under which no more than this share of pictures of unknown things gets a class's name.

    It is the next float32 above the confidence of the first that must not be answered: of M pictures the k most
    confident may be, k the rate times M, rounded down; with equal confidences fewer are.

    Args:
        unknown_confidences: (M,) largest probabilities, as above, of pictures that show none of the classes.
        rate: the share of false alarms; at 1 the threshold is 0.

    Raises:
        ValueError: for no pictures, what is no probability, or if no threshold can do it because more than that share
            is certain.

    Example:
        >>> round(threshold_for_false_alarms([0.9, 0.8, 0.6, 0.3], 0.25), 4)  # 0.9 alone may pass
        0.8
    """
    sorted_down = np.sort(_probabilities(unknown_confidences))[::-1]
    allowed = math.floor(share(rate, len(sorted_down)))
    if allowed == len(sorted_down):
        return 0.0
    threshold = float(np.nextafter(np.float32(sorted_down[allowed]), np.float32(2)))
    if threshold > 1:
        certain = int((sorted_down >= 1).sum())
        raise ValueError(
            f"rate={rate}: {certain} of {len(sorted_down)} unknown pictures have a probability of 1, which every "
            "threshold lets pass: fit a temperature first, or allow a higher rate"
        )
    return threshold


def share(part: float, number: int) -> Fraction:
    """A share of a number, exact in the decimals that were written.

    Example:
        >>> 0.7 * 10, share(0.7, 10), math.ceil(0.07 * 100), math.ceil(share(0.07, 100))
        (7.0, Fraction(7, 1), 8, 7)
    """
    return Fraction(str(float(part))) * number


def _probabilities(confidences: npt.ArrayLike) -> npt.NDArray[np.floating]:
    values = np.asarray(confidences)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"the largest probabilities of some pictures (N,) are needed, got shape {values.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("probabilities from 0 to 1 are needed, got others")
    return values
