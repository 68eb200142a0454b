"""Whether learners differ: paired tests and Holm's correction.

The distributions are scipy's. What to test and how to read it follows Demšar, "Statistical Comparisons of Classifiers
over Multiple Data Sets", JMLR 7 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.report.statistics import MeanInterval, mean_interval

ALPHA = 0.05
"""The level of every test, and of the critical difference between ranks."""
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


def paired_tests(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[PairedTest]:
    """Compare learners, two at a time, by values that belong together, e.g. their scores on the same datasets.

    Differences of zero are split between both signs in Wilcoxon's test, as Demšar has it. Those with as many values are
    tested in one go: scipy takes a millisecond a call.

    Args:
        pairs: for each two learners, the one's values and the other's in the same order.

    Raises:
        ValueError: for no values, or numbers of values that differ.

    Example:
        >>> (found,) = paired_tests([([0.71, 0.74, 0.75], [0.70, 0.72, 0.72])])
        >>> round(found.difference.mean, 3), round(found.t_p, 3), found.wilcoxon_p
        (0.02, 0.074, 0.25)
        >>> print(found.reason)
        with 3 pairs Wilcoxon's p is never below 0.25
    """
    differences = [[a - b for a, b in zip(first, second, strict=True)] for first, second in pairs]
    found = {at: _untestable(values) for at, values in enumerate(differences)}
    testable: dict[int, list[int]] = {}
    for at, said in found.items():
        if said is None:
            testable.setdefault(len(differences[at]), []).append(at)
    for places in testable.values():
        t = _t_tests([pairs[at] for at in places])
        wilcoxon = _wilcoxons([differences[at] for at in places])
        for at, t_p, wilcoxon_p in zip(places, t, wilcoxon, strict=True):
            found[at] = _tested(differences[at], t_p, wilcoxon_p)
    return [test for test in found.values() if test is not None]


def _tested(differences: Sequence[float], t_p: float, wilcoxon_p: float) -> PairedTest:
    n, smallest = len(differences), 2.0 ** (1 - len(differences))
    reason = f"with {n} pairs Wilcoxon's p is never below {smallest:.2g}" if smallest > ALPHA else ""
    return PairedTest(difference=mean_interval(differences), t_p=t_p, wilcoxon_p=wilcoxon_p, reason=reason)


def _untestable(differences: Sequence[float]) -> PairedTest | None:
    """What is said where there is nothing to test; None where there is."""
    found = mean_interval(differences)
    if found.n == 1:
        return PairedTest(difference=found, t_p=None, wilcoxon_p=None, reason="one pair can't be tested")
    if max(differences) - min(differences) > 1e-12:
        return None
    same = "no difference in any pair" if abs(found.mean) <= 1e-12 else "every pair differs by the same"
    return PairedTest(difference=found, t_p=None, wilcoxon_p=None, reason=f"{same}: there is no spread to test")


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


def _t_tests(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[float]:
    """Two-sided p of the paired t-test, for each two learners; all have as many pairs."""
    from scipy import stats  # type: ignore[import-untyped, unused-ignore]

    first, second = ([list(pair[side]) for pair in pairs] for side in (0, 1))
    return [float(p) for p in stats.ttest_rel(first, second, axis=1).pvalue]


def _wilcoxons(rows: Sequence[Sequence[float]]) -> list[float]:
    """Two-sided p of the signed-rank test of each row of differences; all have as many."""
    from scipy import stats

    rows = [[round(difference, 12) for difference in row] for row in rows]  # ties are ties, whatever is rounded
    if len(rows[0]) > EXACT_PAIRS:
        return [float(stats.wilcoxon(row, zero_method="zsplit").pvalue) for row in rows]
    found = {at: _tied_wilcoxon(row) for at, row in enumerate(rows) if not _ranks_are_whole(row)}
    plain = [at for at in range(len(rows)) if at not in found]
    if plain:
        p_values = stats.wilcoxon([list(rows[at]) for at in plain], axis=1, method="exact").pvalue
        found |= {at: float(p) for at, p in zip(plain, p_values, strict=True)}
    return [found[at] for at in range(len(rows))]


def _ranks_are_whole(differences: Sequence[float]) -> bool:
    """Whether no difference is zero or as large as another."""
    sizes = {abs(difference) for difference in differences}
    return len(sizes) == len(differences) and min(sizes) > 0


def _tied_wilcoxon(differences: Sequence[float]) -> float:
    """The exact p where differences are tied or zero, zeros split: ``stats.wilcoxon``'s way, all signs at once."""
    from scipy import stats

    ranks = stats.rankdata([abs(difference) for difference in differences])
    signed = [math.copysign(rank, value) if value else 0.0 for rank, value in zip(ranks, differences, strict=True)]
    found = stats.permutation_test(
        (signed,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True, n_resamples=math.inf
    )
    return float(found.pvalue)
