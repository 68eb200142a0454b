"""Whether learners differ: paired tests, Holm's correction, average ranks and Nemenyi's critical difference.

The distributions are scipy's. What to test and how to read it follows Demšar, "Statistical Comparisons of Classifiers
over Multiple Data Sets", JMLR 7 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab.report.statistics import MeanInterval, mean, mean_interval

ALPHA = 0.05
"""The level of every test and of the critical difference."""
EXACT_PAIRS = 13
"""As many pairs have few enough patterns of signs to try them all."""


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """What paired values say of two learners.

    Args:
        difference: mean of first minus second with its Student-t interval, in the values' unit.
        t_p: two-sided p of the paired t-test, None where there is none.
        wilcoxon_p: two-sided p of Wilcoxon's signed-rank test, None where there is none.
        reason: why a test is missing, or can't reach ``ALPHA`` with so few pairs; empty where both can.
    """

    difference: MeanInterval
    t_p: float | None
    wilcoxon_p: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Learners by their average rank over datasets; 1 is the best.

    Args:
        ranks: learner to its average rank, the best first.
        datasets: number of datasets N.
        critical_difference: Nemenyi's: average ranks that differ by less are not told apart at ``ALPHA``.
        friedman_p: of Friedman's test that all are alike; None with fewer than three learners, or if all are tied.
        alike: the largest groups of neighbours that the critical difference doesn't tell apart.
    """

    ranks: Mapping[str, float]
    datasets: int
    critical_difference: float
    friedman_p: float | None
    alike: tuple[tuple[str, ...], ...]


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Compare two learners by values that belong together, e.g. their scores on the same datasets.

    Differences of zero are split between both signs in Wilcoxon's test, as Demšar has it.

    Args:
        first: one value per pair.
        second: the other's, in the same order.

    Raises:
        ValueError: for no values, or numbers of values that differ.

    Example:
        >>> found = paired_test([0.71, 0.74, 0.75], [0.70, 0.72, 0.72])
        >>> round(found.difference.mean, 3), round(found.t_p, 3), found.wilcoxon_p
        (0.02, 0.074, 0.25)
        >>> print(found.reason)
        with 3 pairs Wilcoxon's p is never below 0.25
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    found, n = mean_interval(differences), len(differences)
    if n == 1:
        return PairedTest(difference=found, t_p=None, wilcoxon_p=None, reason="one pair can't be tested")
    if max(differences) - min(differences) <= 1e-12:
        reason = "no difference in any pair" if abs(found.mean) <= 1e-12 else "every pair differs by the same"
        return PairedTest(difference=found, t_p=None, wilcoxon_p=None, reason=f"{reason}: there is no spread to test")
    from scipy import stats  # type: ignore[import-untyped, unused-ignore]

    smallest = 2.0 ** (1 - n)
    return PairedTest(
        difference=found,
        t_p=float(stats.ttest_rel(first, second).pvalue),
        wilcoxon_p=_wilcoxon([round(difference, 12) for difference in differences]),  # rounding makes no ranks
        reason=f"with {n} pairs Wilcoxon's p is never below {smallest:.2g}" if smallest > ALPHA else "",
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of tests; a None is no test, and stays.

    Args:
        p_values: each in [0, 1], or None.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    order = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, position) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - done) * p))
        corrected[position] = largest
    return corrected


def ranking(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Average ranks over datasets, higher scores being better, ties sharing their ranks.

    Args:
        scores: at least two learners, each with a score per dataset, in one order; at least two datasets.

    Raises:
        ValueError: for fewer learners or datasets, or numbers of scores that differ.

    Example:
        >>> found = ranking({"coop": [0.7, 0.6, 0.8], "maple": [0.8, 0.7, 0.9]})
        >>> dict(found.ranks), round(found.critical_difference, 3)
        ({'maple': 1.0, 'coop': 2.0}, 1.132)
    """
    counts = {len(values) for values in scores.values()}
    if len(scores) < 2 or len(counts) != 1 or min(counts) < 2:
        raise ValueError(f"ranks need two learners with scores on the same two datasets or more, got {dict(scores)}")
    from scipy import stats

    (datasets,) = counts
    per_dataset = [stats.rankdata([-score for score in column]) for column in zip(*scores.values(), strict=True)]
    averages = [mean([float(ranks[position]) for ranks in per_dataset]) for position in range(len(scores))]
    ranks = dict(sorted(zip(scores, averages, strict=True), key=lambda item: item[1]))
    tied = all(len(set(column)) == 1 for column in zip(*scores.values(), strict=True))
    friedman = None if tied or len(scores) < 3 else float(stats.friedmanchisquare(*scores.values()).pvalue)
    critical = critical_difference(len(scores), datasets)
    return Ranking(
        ranks=ranks,
        datasets=datasets,
        critical_difference=critical,
        friedman_p=friedman,
        alike=_alike(ranks, critical),
    )


def critical_difference(learners: int, datasets: int) -> float:
    """Nemenyi's ``q sqrt(k (k + 1) / 6 N)`` at ``ALPHA``, q the studentised range's quantile by the root of two.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    from scipy.stats import studentized_range  # type: ignore[import-untyped, unused-ignore]

    quantile = float(studentized_range.ppf(1 - ALPHA, learners, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(learners * (learners + 1) / (6 * datasets))


def _alike(ranks: Mapping[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Runs of neighbours within the critical difference, without those inside another, and without single ones."""
    names, groups, reached = list(ranks), [], 0
    for start, name in enumerate(names):
        end = max(at for at in range(start, len(names)) if ranks[names[at]] - ranks[name] < critical) + 1
        if end > reached and end - start > 1:
            groups.append(tuple(names[start:end]))
        reached = max(reached, end)
    return tuple(groups)


def _wilcoxon(differences: Sequence[float]) -> float:
    """Two-sided p of the signed-rank test; exact with few pairs, also where differences are tied or zero."""
    from scipy import stats

    sizes = [abs(difference) for difference in differences]
    if len(differences) > EXACT_PAIRS or (len(set(sizes)) == len(sizes) and min(sizes) > 0):
        return float(stats.wilcoxon(differences, zero_method="zsplit").pvalue)
    # what stats.wilcoxon does here, but all signs at once in place of one after the other
    ranks = stats.rankdata(sizes)
    signed = [math.copysign(rank, value) if value else 0.0 for rank, value in zip(ranks, differences, strict=True)]
    found = stats.permutation_test(
        (signed,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True, n_resamples=math.inf
    )
    return float(found.pvalue)
