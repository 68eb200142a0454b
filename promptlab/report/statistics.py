"""Means over seeds, their standard deviations and Student-t intervals.

CoOp's ``parse_test_res.py`` prints 1.96 standard errors of the population deviation, too narrow for three seeds; the
two are never mixed, and promptlab has the Student-t interval alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its confidence interval.

    Args:
        mean: of the values, in their unit.
        half_width: the interval is ``mean`` plus or minus this, in the same unit; None for a single value.
        n: number of values.
        deviation: their sample standard deviation (n-1), which papers print too; None for a single value.
    """

    mean: float
    half_width: float | None
    n: int
    deviation: float | None = None


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, which no rounding takes out of the range of the values: that of equal ones is theirs.

    Raises:
        ValueError: for no values.

    Example:
        >>> mean([0.5, 0.75])
        0.625
    """
    if len(values) == 0:
        raise ValueError("no values to average")
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> MeanInterval:
    """Mean with Student's t interval: ``t(n - 1) * s / sqrt(n)`` on either side, s the sample deviation.

    Args:
        values: one per seed.
        confidence: in (0, 1).

    Raises:
        ValueError: for no values or a confidence outside (0, 1).

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> interval.mean, round(interval.half_width, 3), interval.deviation
        (2.0, 2.484, 1.0)
        >>> mean_interval([0.7])
        MeanInterval(mean=0.7, half_width=None, n=1, deviation=None)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    average, n = mean(values), len(values)
    if n == 1:
        return MeanInterval(average, None, 1)
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    sample_variance = math.fsum((value - average) ** 2 for value in values) / (n - 1)
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    return MeanInterval(average, quantile * math.sqrt(sample_variance / n), n, math.sqrt(sample_variance))
