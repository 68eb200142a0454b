"""Means, intervals and the harmonic mean H, with the ways to average them named apart.

Two conventions stand side by side and are never mixed: Student-t intervals, which promptlab reports, and the
population deviation with 1.96 standard errors that CoOp's ``parse_test_res.py`` prints.

H over seeds, for one dataset: :func:`h_of_seed_means` or :func:`mean_of_seed_h`. H over datasets:
:func:`h_of_means` (the "Average" rows of the CoCoOp table) or :func:`mean_of_h`. They differ by up to a point.
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
    """

    mean: float
    half_width: float | None
    n: int


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean.

    Raises:
        ValueError: for no values.
    """
    if len(values) == 0:
        raise ValueError("no values to average")
    return math.fsum(values) / len(values)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> MeanInterval:
    """Mean with Student's t interval: ``t(n - 1) * s / sqrt(n)`` on either side, s the sample deviation.

    Args:
        values: one per seed.
        confidence: in (0, 1).

    Raises:
        ValueError: for no values or a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    average, n = mean(values), len(values)
    if n == 1:
        return MeanInterval(average, None, 1)
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    sample_variance = population_std(values) ** 2 * n / (n - 1)
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    return MeanInterval(average, quantile * math.sqrt(sample_variance / n), n)


def population_std(values: Sequence[float]) -> float:
    """Standard deviation that divides by n (``numpy.std``), as ``parse_test_res.py`` prints it.

    Raises:
        ValueError: for no values.
    """
    average = mean(values)
    return math.sqrt(math.fsum((value - average) ** 2 for value in values) / len(values))


def ci95(values: Sequence[float]) -> float:
    """``1.96 * population_std / sqrt(n)``, as ``parse_test_res.py --ci95`` prints it; too narrow for three seeds.

    Raises:
        ValueError: for no values.
    """
    return 1.96 * population_std(values) / math.sqrt(len(values))


def harmonic_mean(a: float, b: float) -> float:
    """``2ab / (a + b)``, and 0 where both are 0. Fractions or percent.

    Raises:
        ValueError: for a negative value.
    """
    if a < 0 or b < 0:
        raise ValueError(f"the harmonic mean needs values of at least 0, got {a} and {b}")
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def h_of_seed_means(first: Sequence[float], second: Sequence[float]) -> float:
    """One dataset: H of the two scores' means over seeds.

    Args:
        first: the first evaluation's score per seed.
        second: the second evaluation's score per seed, in the same order.

    Raises:
        ValueError: for no values or unequal lengths.
    """
    _same_length(first, second)
    return harmonic_mean(mean(first), mean(second))


def mean_of_seed_h(first: Sequence[float], second: Sequence[float]) -> float:
    """One dataset: the mean over seeds of each seed's H. Arguments and errors as :func:`h_of_seed_means`."""
    _same_length(first, second)
    return mean([harmonic_mean(a, b) for a, b in zip(first, second, strict=True)])


def h_of_means(first: Sequence[float], second: Sequence[float]) -> float:
    """Over datasets: H of the two scores' means over datasets.

    Args:
        first: the first evaluation's score per dataset.
        second: the second evaluation's score per dataset, in the same order.

    Raises:
        ValueError: for no values or unequal lengths.
    """
    _same_length(first, second)
    return harmonic_mean(mean(first), mean(second))


def mean_of_h(h_per_dataset: Sequence[float]) -> float:
    """Over datasets: the mean of each dataset's H, whichever of the two ways over seeds made it.

    Raises:
        ValueError: for no values.
    """
    return mean(h_per_dataset)


def _same_length(first: Sequence[float], second: Sequence[float]) -> None:
    if len(first) != len(second):
        raise ValueError(f"both scores need the same seeds or datasets, got {len(first)} and {len(second)} values")
