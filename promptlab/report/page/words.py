"""What a section found, and how sure it is, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlab.report.column import percent
from promptlab.report.comparison import Comparison
from promptlab.report.overall import paired_average
from promptlab.report.significance import ALPHA
from promptlab.report.statistics import MeanInterval, mean
from promptlab.report.study import ZERO_SHOT, Entry, Section, at_shots
from promptlab.support.words import some_of


def findings(section: Section, tested: Sequence[Comparison]) -> list[str]:
    """Who leads and by how much, whether that can be told from chance, and where learning loses to zero-shot CLIP.

    Args:
        section: what is compared.
        tested: its comparisons.
    """
    shots = section.most_shots if section.entries else None
    found = {} if shots is None else section.of(shots)
    leader = section.leader
    if leader is None:
        return ["Nothing was scored."]
    places = {place for entries in found.values() for place in entries}
    whole = {name: list(entries.values()) for name, entries in found.items() if len(entries) == len(places)}
    if leader not in whole:
        return [f"No learner was scored on all {len(places)} datasets, so none is said to lead.", *_losses(found)]
    averages = {name: paired_average([entry.scores for entry in entries]) for name, entries in whole.items()}
    averages = dict(sorted(averages.items(), key=lambda item: -item[1].mean))
    tested = [comparison for comparison in tested if comparison.shots == shots]
    sentences = [_lead(section, averages, len(places))]
    names = list(averages)
    if len(names) > 1:
        sentences += _sure(names[0], names[1], tested)
    sentences += _over_baseline(names[0], tested)
    sentences += _unmarked(whole, names)
    return [*sentences, *_losses(found), *_partial(found, whole, len(places))]


def _lead(section: Section, averages: Mapping[str, MeanInterval], places: int) -> str:
    """Who has the highest average."""
    (leader, best), *others = averages.items()
    over = f", averaged over {places} datasets" if places > 1 else f" on {section.places[0]}"
    if not others:
        return f"{leader} reaches {_score(best)}{over}, {at_shots(section.most_shots)} ({section.headline})."
    lead = f"{leader} has the highest {section.headline}{over}, {at_shots(section.most_shots)}: {_score(best)}"
    second, score = others[0]
    points = f"{100 * (best.mean - score.mean):.2f}"
    return f"{lead}, {f'level with {second}' if points == '0.00' else f'{points} points above {second}'}."


def _score(score: MeanInterval) -> str:
    """In percent, with its interval or why there is none."""
    if score.half_width is None:
        return f"{percent(score.mean)} % (one seed, no interval)" if score.n == 1 else f"{percent(score.mean)} %"
    return f"{percent(score.mean)} % (± {percent(score.half_width)} over {score.n} seeds)"


def _sure(first: str, second: str, tested: Sequence[Comparison]) -> list[str]:
    """Whether the lead can be told from chance, over seeds and over datasets."""
    sentences = []
    seeds = _between(first, second, "seeds", tested)
    if seeds is None:
        return [f"{first} and {second} share no seed, so they aren't tested against each other."]
    if seeds.t_holm is None:
        sentences.append(f"Whether other seeds would say the same wasn't tested: {seeds.test.reason}.")
    elif seeds.t_holm < ALPHA:
        sentences.append(f"Over {seeds.pairs} paired seeds the lead is larger than chance ({_p(seeds)}).")
    else:
        sentences.append(f"Over {seeds.pairs} paired seeds the lead can't be told from chance ({_p(seeds)}).")
    datasets = _between(first, second, "datasets", tested)
    return [*sentences, *([] if datasets is None else [_over_datasets(datasets)])]


def _over_datasets(found: Comparison) -> str:
    """Whether other datasets would say the same."""
    if found.wilcoxon_holm is None or found.test.reason:
        return f"{found.pairs} datasets are too few to say what others would: {found.test.reason}."
    told = "it is larger than chance" if found.wilcoxon_holm < ALPHA else "it can't be told from chance"
    return f"Over {found.pairs} datasets {told} (Wilcoxon's p = {found.wilcoxon_holm:.2g} after Holm's correction)."


def _p(comparison: Comparison) -> str:
    return f"paired t-test, p = {comparison.t_holm:.2g} after Holm's correction"


def _between(first: str, second: str, over: str, tested: Sequence[Comparison]) -> Comparison | None:
    pair = {first, second}
    return next((found for found in tested if found.over == over and {found.first, found.second} == pair), None)


def _over_baseline(leader: str, tested: Sequence[Comparison]) -> list[str]:
    """How far the leader is from zero-shot CLIP."""
    found = _between(leader, ZERO_SHOT, "seeds", tested)
    if found is None:
        return []
    points = 100 * found.test.difference.mean * (1 if found.first == leader else -1)
    side = "above" if points >= 0 else "below"
    sure = "" if found.t_holm is None else f" ({_p(found)})"
    return [f"It is {abs(points):.2f} points {side} zero-shot CLIP{sure}."]


def _unmarked(whole: Mapping[str, Sequence[Entry]], names: Sequence[str]) -> list[str]:
    """Who leads among those that compare, where the leader is set apart by a mark."""
    marks = {name: whole[name][0].row.marks for name in names}
    if not marks[names[0]]:
        return []
    plain = [name for name in names if not marks[name]]
    said = f"{names[0]} is marked, so it doesn't compare with learners that aren't"
    return [f"{said}; of those {plain[0]} is the highest." if plain else f"{said}."]


def _losses(found: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """Where learners are below zero-shot CLIP."""
    below: dict[str, list[str]] = {}
    for name, entries in found.items():
        for place, entry in entries.items():
            if entry.zero_shot is not None and mean(list(entry.scores.values())) < entry.zero_shot - 1e-12:
                below.setdefault(name, []).append(place)
    if not below:
        return []
    said = [f"{name} on {some_of(places, 3)}" for name, places in below.items()]
    return [f"Below zero-shot CLIP: {'; '.join(said[:6])}{'; and more' if len(said) > 6 else ''}."]


def _partial(found: Mapping[str, object], whole: Mapping[str, object], places: int) -> list[str]:
    left = [name for name in found if name not in whole]
    return [f"Not scored on all {places} datasets, so without an average: {some_of(left)}."] if left else []
