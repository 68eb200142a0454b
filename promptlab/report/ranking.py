"""Average ranks of learners over datasets, and Nemenyi's critical difference between them.

How to rank and read it follows Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006);
the distributions are scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab.report.significance import ALPHA
from promptlab.report.statistics import mean


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
    from scipy import stats  # type: ignore[import-untyped, unused-ignore]

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
