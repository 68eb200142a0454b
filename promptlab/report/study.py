"""What a folder of results compares: per protocol and backbone, contestants, places and every seed's headline score.

A *contestant* is a learner with its marks and whatever else sets it apart from others of its name; a *place* is a
dataset, or, where a learner is scored on other datasets than it trained on, one of those. The *headline* is what the
field ranks by: H where the protocol has it, else the score on the place's test images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from promptlab.report.averages import METRIC_NAMES, SweepRow
from promptlab.report.column import letter
from promptlab.report.grouping import short_value, summarise
from promptlab.report.statistics import MeanInterval, mean, mean_interval
from promptlab.results.document import Result
from promptlab.results.ids import canonical_json
from promptlab.support.words import counted

ZERO_SHOT = "zero-shot"
"""The baseline's name among contestants."""
ZERO_SHOT_LEARNER = "zero_shot"
"""The learner that is the baseline, run by itself."""
_LONGEST_SUFFIX = 40


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one contestant scored at one place. Scores are fractions in [0, 1].

    Args:
        contestant: its name, as no other of the section has.
        shots: training images per class, or ``"all"``.
        place: where it was scored.
        scores: seed to headline score, by rising seed; at least one.
        zero_shot: zero-shot CLIP's headline score there, None without one.
        row: the runs that it comes from.
    """

    contestant: str
    shots: int | str
    place: str
    scores: Mapping[int, float]
    zero_shot: float | None
    row: SweepRow

    @cached_property
    def mean(self) -> MeanInterval:
        """Over seeds, with its interval."""
        return mean_interval(list(self.scores.values()))


@dataclass(frozen=True, kw_only=True)
class Section:
    """What may be compared: the results of one protocol on one backbone.

    Args:
        protocol: its name.
        backbone: its name.
        headline: what is compared, in words.
        names: each row's contestant, in the order of ``rows``.
        rows: runs averaged over seeds.
        entries: every contestant at every place where it has a score.
        legend: names of contestants whose setting is too long for a name, to that setting.
    """

    protocol: str
    backbone: str
    headline: str
    names: Sequence[str]
    rows: Sequence[SweepRow]
    entries: Sequence[Entry]
    legend: Mapping[str, str]

    @property
    def slug(self) -> str:
        """Its name for files and links."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.protocol}-{self.backbone}".lower()).strip("-")

    @cached_property
    def contestants(self) -> list[str]:
        """Their names, in the order of the rows."""
        return list(dict.fromkeys(self.names))

    @cached_property
    def places(self) -> list[str]:
        """Where there are scores, in the order of the rows."""
        return list(dict.fromkeys(entry.place for entry in self.entries))

    @cached_property
    def shots(self) -> list[int | str]:
        """Numbers of shots by size, then ``"all"``."""
        return sorted({entry.shots for entry in self.entries}, key=lambda shots: (isinstance(shots, str), shots))

    @cached_property
    def averages(self) -> dict[str, float]:
        """Contestant to the mean of all its headline scores, for choosing whom to show; in the order of the rows."""
        scores: dict[str, list[float]] = {}
        for entry in self.entries:
            scores.setdefault(entry.contestant, []).append(entry.mean.mean)
        return {name: mean(scores[name]) for name in self.contestants if name in scores}

    @cached_property
    def beside_zero_shot(self) -> dict[str, float]:
        """The same of those that figures draw beside zero-shot CLIP: not the learner that is it, under its prompts."""
        others = {
            entry.contestant
            for entry in self.entries
            if entry.row.learner != ZERO_SHOT_LEARNER or set(entry.scores.values()) != {entry.zero_shot}
        }
        return {name: average for name, average in self.averages.items() if name in others}

    @cached_property
    def most_shots(self) -> int | str:
        """The number of shots that pictures of one number show: that with the most entries."""
        entries = {shots: sum(map(len, self.of(shots).values())) for shots in self.shots}
        return max(entries, key=lambda shots: (entries[shots], self.shots.index(shots)), default="all")

    @cached_property
    def leader(self) -> str | None:
        """The contestant with the highest average of those with most places at ``most_shots``; None without any."""
        if not self.entries:
            return None
        found = self.of(self.most_shots)
        return max(found, key=lambda name: (len(found[name]), mean([e.mean.mean for e in found[name].values()])))

    def rows_of(self, contestant: str) -> list[SweepRow]:
        """A contestant's rows, those without a score too."""
        return [row for name, row in zip(self.names, self.rows, strict=True) if name == contestant]

    def of(self, shots: int | str) -> dict[str, dict[str, Entry]]:
        """Contestant to place to its entry, at one number of shots."""
        found: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            if entry.shots == shots:
                found.setdefault(entry.contestant, {})[entry.place] = entry
        return found


def at_shots(shots: int | str) -> str:
    """A number of shots as part of a sentence.

    Example:
        >>> at_shots(16), at_shots(1), at_shots("all")
        ('at 16 shots', 'at 1 shot', 'with all training images')
    """
    if isinstance(shots, str):
        return f"with {shots} training images"
    return f"at {counted(shots, 'shot')}"


def sections(results: Iterable[Result]) -> list[Section]:
    """A section per protocol and backbone, in the order of the tables.

    Example:
        >>> sections([])
        []
    """
    rows = sorted(summarise(results), key=lambda row: (row.protocol, row.backbone))
    return [
        _section(protocol, backbone, list(members))
        for (protocol, backbone), members in groupby(rows, lambda row: (row.protocol, row.backbone))
    ]


def _section(protocol: str, backbone: str, rows: Sequence[SweepRow]) -> Section:
    names, legend = _contestants(rows)
    several = len({row.dataset for row in rows}) > 1
    entries = [entry for name, row in zip(names, rows, strict=True) for entry in _entries(name, row, several)]
    return Section(
        protocol=protocol,
        backbone=backbone,
        headline=_headline(rows),
        names=names,
        rows=rows,
        entries=entries,
        legend=legend,
    )


def _headline(rows: Sequence[SweepRow]) -> str:
    metric = METRIC_NAMES[rows[0].metric]
    of = next((row.harmonic_of for row in rows if row.harmonic_of), None)
    return f"H of {metric} on {of[0]} and {of[1]}" if of else metric


def _entries(name: str, row: SweepRow, several_sources: bool) -> Iterable[Entry]:
    """The row's headline scores, one place or several."""
    for place, scores, zero_shot in _headline_scores(row):
        if scores:
            named = f"{row.dataset} → {place}" if row.targets and several_sources else place
            yield Entry(contestant=name, shots=row.shots, place=named, scores=scores, zero_shot=zero_shot, row=row)


def _headline_scores(row: SweepRow) -> Iterable[tuple[str, dict[int, float], float | None]]:
    """Place, seed to score, and zero-shot CLIP's score."""
    if row.harmonic_of:
        found = {run.seed: run.harmonic.learner for run in row.runs if run.harmonic is not None}
        comparable = found if row.mean_of_seed_h is not None else {}
        yield row.dataset, {seed: h for seed, h in comparable.items() if h is not None}, row.zero_shot_h
        return
    evaluations = list(row.targets or row.scores)
    for evaluation in evaluations:
        alone = len(evaluations) == 1 and not row.targets
        place = evaluation if row.targets else row.dataset if alone else f"{row.dataset}, {evaluation}"
        yield place, row.seed_scores(evaluation), row.zero_shot[evaluation]


def _contestants(rows: Sequence[SweepRow]) -> tuple[list[str], dict[str, str]]:
    """Each row's name, and what the letters in names stand for."""
    names = [f"{row.learner} [{', '.join(row.marks)}]" if row.marks else row.learner for row in rows]
    legend: dict[str, str] = {}
    for learner in dict.fromkeys(names):
        own = [position for position, name in enumerate(names) if name == learner]
        suffixes = _suffixes([rows[position] for position in own])
        letters = {suffix: letter(at) for at, suffix in enumerate(s for s in dict.fromkeys(suffixes) if s)}
        if all(len(suffix) <= _LONGEST_SUFFIX for suffix in letters):
            letters = {suffix: suffix for suffix in letters}
        for position, suffix in zip(own, suffixes, strict=True):
            if suffix:
                names[position] = f"{learner} ({letters[suffix]})"
                legend |= {names[position]: suffix} if letters[suffix] != suffix else {}
    return names, legend


def _suffixes(rows: Sequence[SweepRow]) -> list[str]:
    """What sets rows of one learner apart from others that train on as much of the same data."""
    cells: dict[tuple[str, int | str], list[Mapping[str, Any]]] = {}
    facts = [{**row.facts, "views": row.views} for row in rows]
    for row, found in zip(rows, facts, strict=True):
        cells.setdefault((row.dataset, row.shots), []).append(found)
    varying = dict.fromkeys(name for alike in cells.values() for name in _varying(alike))
    return [
        ", ".join(f"{name.split('.', 1)[-1]}={short_value(found[name])}" for name in varying if name in found)
        for found in facts
    ]


def _varying(alike: Sequence[Mapping[str, Any]]) -> list[str]:
    """Facts that differ among some, ``fit.views`` being told as ``views`` already."""
    names = sorted({name for facts in alike for name in facts} - {"fit.views", "fit.image_transforms"})
    return [name for name in names if len({canonical_json(facts.get(name)) for facts in alike}) > 1]
