"""Averages over datasets, of seeds that belong together.

The interval of such an average speaks of seeds on these datasets: for every seed that all datasets have, the mean over
datasets is taken first, and Student's interval is of those means. Of H there are two averages, up to a point apart: the
mean of each dataset's H, and H of the average scores, which is what the "Average" row of the CoCoOp table prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab.report.statistics import MeanInterval, mean, mean_interval
from promptlab.report.study import ZERO_SHOT, Entry, Section
from promptlab.results.statistics import harmonic_mean
from promptlab.support.words import some_of


@dataclass(frozen=True, kw_only=True)
class OverallRow:
    """One contestant's averages over all places of a section. Scores are fractions in [0, 1].

    Args:
        contestant: its name.
        shots: training images per class, or ``"all"``.
        places: how many places the averages are over.
        seeds: the seeds that all places share.
        scores: what is averaged, in words, to its average; without interval where fewer than two seeds are shared.
        missing: why there are no averages; empty where there are.
        marks: what sets its runs apart, as their Results say.
    """

    contestant: str
    shots: int | str
    places: int
    seeds: tuple[int, ...]
    scores: Mapping[str, MeanInterval]
    missing: str = ""
    marks: tuple[str, ...] = ()


def paired_average(by_place: Sequence[Mapping[int, float]]) -> MeanInterval:
    """The average over places of their means over seeds, with the interval of the shared seeds' averages.

    Args:
        by_place: for each place, seed to score; at least one of each.

    Raises:
        ValueError: for no place, or a place without scores.

    Example:
        >>> average = paired_average([{1: 0.5, 2: 0.6}, {1: 0.7, 2: 0.6}])
        >>> round(average.mean, 3), round(average.half_width, 3), average.n
        (0.6, 0.0, 2)
        >>> paired_average([{1: 0.5}, {2: 0.7}]).half_width is None
        True
    """
    seeds = shared_seeds(by_place)
    if len(seeds) > 1:
        return mean_interval([mean([scores[seed] for scores in by_place]) for seed in seeds])
    return MeanInterval(mean([mean(list(scores.values())) for scores in by_place]), None, len(seeds))


def shared_seeds(by_place: Sequence[Mapping[int, float]]) -> tuple[int, ...]:
    """The seeds that every place has, rising.

    Example:
        >>> shared_seeds([{1: 0.5, 2: 0.6}, {2: 0.7, 3: 0.6}])
        (2,)
    """
    return tuple(sorted(set.intersection(*(set(scores) for scores in by_place)))) if by_place else ()


def overall(section: Section) -> list[OverallRow]:
    """Every contestant's averages at every number of shots; none for a section with a single place."""
    rows = []
    for shots in section.shots:
        contestants = section.of(shots)
        places = [place for place in section.places if any(place in found for found in contestants.values())]
        if len(places) > 1:
            rows += [*_zero_shot(shots, contestants, places)]
            rows += [_overall(name, shots, found, places) for name, found in contestants.items()]
    return rows


def _zero_shot(
    shots: int | str, contestants: Mapping[str, Mapping[str, Entry]], places: Sequence[str]
) -> list[OverallRow]:
    """Zero-shot CLIP's averages, if it was scored at every place."""
    scored = {
        place: entry for found in contestants.values() for place, entry in found.items() if entry.zero_shot is not None
    }
    if any(place not in scored for place in places):
        return []
    entries = [scored[place] for place in places]
    headline = mean([entry.zero_shot for entry in entries if entry.zero_shot is not None])
    scores = {"mean": headline}
    if (of := entries[0].row.harmonic_of) is not None:
        found = [[entry.row.zero_shot[name] for entry in entries] for name in of]
        first, second = (mean([score for score in column if score is not None]) for column in found)
        scores = {
            of[0]: first,
            of[1]: second,
            "mean of H": headline,
            "H of averages": harmonic_mean(first, second),
        }
    plain = {name: MeanInterval(score, None, 1) for name, score in scores.items()}
    return [OverallRow(contestant=ZERO_SHOT, shots=shots, places=len(places), seeds=(), scores=plain)]


def _overall(name: str, shots: int | str, found: Mapping[str, Entry], places: Sequence[str]) -> OverallRow:
    missing = [place for place in places if place not in found]
    if missing:
        said = f"no score at {some_of(missing)}"
        return OverallRow(contestant=name, shots=shots, places=len(places), seeds=(), scores={}, missing=said)
    entries = [found[place] for place in places]
    headline = [entry.scores for entry in entries]
    rows = [entry.row for entry in entries]
    of = rows[0].harmonic_of
    scores = {"mean": paired_average(headline)} if of is None else _with_harmonic(entries, of)
    return OverallRow(
        contestant=name,
        shots=shots,
        places=len(places),
        seeds=shared_seeds(headline),
        scores=scores,
        marks=rows[0].marks,
    )


def _with_harmonic(entries: Sequence[Entry], of: tuple[str, str]) -> dict[str, MeanInterval]:
    """Averages of the two scores and of H, and H of the two averages."""
    averages = {}
    for evaluation in of:
        scored = [
            {seed: score for seed, score in entry.row.seed_scores(evaluation).items() if seed in entry.scores}
            for entry in entries
        ]
        averages[evaluation] = paired_average(scored)
    first, second = (averages[evaluation].mean for evaluation in of)
    return {
        **averages,
        "mean of H": paired_average([entry.scores for entry in entries]),
        "H of averages": MeanInterval(harmonic_mean(first, second), None, averages[of[0]].n),
    }
