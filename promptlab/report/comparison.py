"""Contestants of a section against each other: paired over seeds, paired over places, and ranked over places.

Paired over seeds answers whether other seeds would say the same on these datasets, paired over places whether other
datasets would. What too few of them can't answer, a comparison says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

from promptlab.report.overall import shared_seeds
from promptlab.report.ranking import Ranking, ranking
from promptlab.report.significance import PairedTest, holm, paired_tests
from promptlab.report.statistics import mean
from promptlab.report.study import ZERO_SHOT, ZERO_SHOT_LEARNER, Entry, Section

ALL_PAIRS = 12
"""With more contestants than this each is compared with the best one and with zero-shot CLIP alone."""
Scores = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Paired:
    """Two contestants' scores that belong together, the higher's first."""

    shots: int | str
    first: str
    second: str
    over: str
    first_scores: Sequence[float]
    second_scores: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contestants at one number of shots; scores are fractions in [0, 1].

    Args:
        shots: training images per class, or ``"all"``.
        first: the one that is higher on average over the pairs.
        second: the other one.
        over: what the pairs are, ``seeds`` or ``datasets``.
        pairs: how many there are.
        test: what they say; its p values are of this comparison alone.
        t_holm: p of the t-test after Holm's correction over the section's comparisons of the same shots and kind.
        wilcoxon_holm: the same of Wilcoxon's test.
    """

    shots: int | str
    first: str
    second: str
    over: str
    pairs: int
    test: PairedTest
    t_holm: float | None = None
    wilcoxon_holm: float | None = None


def comparisons(section: Section) -> list[Comparison]:
    """Every pair of contestants, at each number of shots, over seeds and, with several places, over places."""
    paired: list[Paired] = []
    for shots in section.shots:
        contestants = scores_of(section, shots)
        for over in (_over_seeds, _over_places):
            found = [over(shots, first, second, contestants) for first, second in _pairs(contestants)]
            paired += [values for values in found if values is not None]
    tests = paired_tests([(values.first_scores, values.second_scores) for values in paired])
    compared = [_compared(values, test) for values, test in zip(paired, tests, strict=True)]
    return [
        comparison
        for _, family in groupby(compared, lambda comparison: (comparison.shots, comparison.over))
        for comparison in _corrected(list(family))
    ]


def rankings(section: Section) -> dict[int | str, Ranking]:
    """Shots to average ranks over the places that all contestants share; only where there are two places or more."""
    found = {}
    for shots in section.shots:
        contestants = scores_of(section, shots)
        shared = [place for place in section.places if all(place in scores for scores in contestants.values())]
        if len(contestants) > 1 and len(shared) > 1:
            means = {
                name: [mean(list(scores[place].values())) for place in shared] for name, scores in contestants.items()
            }
            found[shots] = ranking(means)
    return found


def scores_of(section: Section, shots: int | str) -> dict[str, Scores]:
    """Contestant to place to seed to score, zero-shot CLIP among them where it isn't a run of its own.

    Zero-shot CLIP has one score a place, which is given to every seed.
    """
    contestants = section.of(shots)
    found: dict[str, Scores] = {
        name: {place: entry.scores for place, entry in places.items()} for name, places in contestants.items()
    }
    if not any(entry.row.learner == ZERO_SHOT_LEARNER for places in contestants.values() for entry in places.values()):
        baseline = _zero_shot(entry for places in contestants.values() for entry in places.values())
        found |= {ZERO_SHOT: baseline} if baseline else {}
    return found


def _zero_shot(entries: Iterable[Entry]) -> Scores:
    baseline: dict[str, dict[int, float]] = {}
    for entry in entries:
        if entry.zero_shot is not None:
            baseline.setdefault(entry.place, {}).update(dict.fromkeys(entry.scores, entry.zero_shot))
    return baseline


def _pairs(contestants: Mapping[str, Scores]) -> list[tuple[str, str]]:
    """Who is compared with whom, the higher average first."""
    averages = {
        name: mean([mean(list(scores.values())) for scores in places.values()]) for name, places in contestants.items()
    }
    ordered = sorted(averages, key=lambda name: -averages[name])
    if len(ordered) <= ALL_PAIRS:
        return list(combinations(ordered, 2))
    against = dict.fromkeys([ordered[0], *([ZERO_SHOT] if ZERO_SHOT in averages else [])])
    pairs = {frozenset((name, other)) for name in ordered for other in against if name != other}
    return [pair for pair in combinations(ordered, 2) if frozenset(pair) in pairs]


def _over_seeds(shots: int | str, first: str, second: str, contestants: Mapping[str, Scores]) -> Paired | None:
    """Each shared seed's averages over the places that both have."""
    one, other = contestants[first], contestants[second]
    places = [place for place in one if place in other]
    seeds = shared_seeds([scores for place in places for scores in (one[place], other[place])])
    if not seeds:
        return None
    values = [[mean([found[place][seed] for place in places]) for seed in seeds] for found in (one, other)]
    return _paired(shots, first, second, "seeds", values)


def _over_places(shots: int | str, first: str, second: str, contestants: Mapping[str, Scores]) -> Paired | None:
    """Means over the seeds that both have, at each place that both have."""
    one, other = contestants[first], contestants[second]
    seeds = {place: shared_seeds([one[place], other[place]]) for place in one if place in other}
    places = [place for place, shared in seeds.items() if shared]
    if len(places) < 2:
        return None
    values = [[mean([found[place][seed] for seed in seeds[place]]) for place in places] for found in (one, other)]
    return _paired(shots, first, second, "datasets", values)


def _paired(shots: int | str, first: str, second: str, over: str, values: Sequence[Sequence[float]]) -> Paired:
    """The two with their scores, the higher first."""
    if math.fsum(values[0]) < math.fsum(values[1]):
        first, second, values = second, first, values[::-1]
    return Paired(shots, first, second, over, values[0], values[1])


def _compared(values: Paired, test: PairedTest) -> Comparison:
    return Comparison(
        shots=values.shots,
        first=values.first,
        second=values.second,
        over=values.over,
        pairs=len(values.first_scores),
        test=test,
    )


def _corrected(family: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's correction, of each test for itself."""
    t = holm([comparison.test.t_p for comparison in family])
    wilcoxon = holm([comparison.test.wilcoxon_p for comparison in family])
    return [
        replace(comparison, t_holm=a, wilcoxon_holm=b) for comparison, a, b in zip(family, t, wilcoxon, strict=True)
    ]
