"""A user's results beside published ones, where backbone, protocol, shots and dataset are the same.

What was done otherwise (views, precision, seeds, arguments, a split built by rule) is said with every number, and a
difference beyond the seeds' interval is marked: without one, a difference says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from promptlab.report.averages import SweepRow
from promptlab.report.overall import overall
from promptlab.report.published.numbers import AROUND, Published, Recipe, published, recipes
from promptlab.report.statistics import MeanInterval
from promptlab.report.study import ZERO_SHOT, Section

PUBLISHED_SEEDS = 3
PUBLISHED_PRECISION = "fp16"
AVERAGE = "average"
_AVERAGED = {"H": "H of averages", AVERAGE: "mean"}
"""What published averages are called among ours."""
_TRAINED_ON_VIEWS = ("coop", "cocoop", "kgcoop", "maple", "prograd", "promptsrc", "tcp", "coprompt", "mmrl",
                     *AROUND.values())  # fmt: skip
"""Learners whose authors drew a new random view of every image at each step."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One score and the published one.

    Args:
        contestant: whose score it is.
        method: whose the published one is.
        dataset: where both were scored.
        evaluation: the evaluation set, or ``H``.
        shots: training images per class; 0 for zero-shot CLIP.
        ours: a mean over seeds with its interval, a fraction.
        theirs: as printed, in percent.
        beyond: whether the difference leaves the interval; None without an interval.
        departures: what was done otherwise, in words.
        source: where the published number was read.
    """

    contestant: str
    method: str
    dataset: str
    evaluation: str
    shots: int
    ours: MeanInterval
    theirs: float
    beyond: bool | None
    departures: tuple[str, ...]
    source: str

    @property
    def difference(self) -> float:
        """Ours less theirs, in points."""
        return 100 * self.ours.mean - self.theirs


def beside(section: Section) -> list[Beside]:
    """Every score of a section that a published one stands beside, zero-shot CLIP's among them."""
    known = [row for row in published() if row.protocol == section.protocol and section.backbone in row.backbones]
    found = []
    for name, row in zip(section.names, section.rows, strict=True):
        for other in known:
            if other.learner == row.learner and other.shots == row.shots and set(row.marks) <= set(other.marks):
                found += list(_scores(name, row, other))
    return [*_zero_shot(section, known), *found, *_averages(section, known)]


def _scores(name: str, row: SweepRow, other: Published) -> Iterator[Beside]:
    """A row's scores that the published row has too."""
    for evaluation, theirs in other.scores.items():
        ours = row.mean_of_seed_h if evaluation == "H" else row.scores.get(evaluation)
        if ours is None or other.dataset != _place(row, evaluation):
            continue
        yield _beside(name, other, evaluation, ours, theirs, departures(row, other))


def _zero_shot(section: Section, known: Sequence[Published]) -> Iterator[Beside]:
    """Zero-shot CLIP once per dataset and evaluation set."""
    seen: set[tuple[str, str]] = set()
    for row in section.rows:
        for other in known:
            for evaluation, theirs in other.scores.items() if other.learner == "zero_shot" else ():
                ours = row.zero_shot_h if evaluation == "H" else row.zero_shot.get(evaluation)
                if ours is None or other.dataset != _place(row, evaluation) or (other.dataset, evaluation) in seen:
                    continue
                seen.add((other.dataset, evaluation))
                yield _beside(
                    ZERO_SHOT, other, evaluation, MeanInterval(ours, None, 1), theirs, tuple(_of_the_data(row))
                )


def _averages(section: Section, known: Sequence[Published]) -> Iterator[Beside]:
    """Averages, where they are over the datasets that the published ones are over."""
    datasets = {other.dataset for other in known} - {AVERAGE, *(row.dataset for row in section.rows if row.targets)}
    if not known or set(section.places) != datasets:
        return
    for average in overall(section):
        rows = section.rows_of(average.contestant)
        learner = rows[0].learner if rows else "zero_shot"
        for other in known:
            same_shots = other.shots == average.shots or learner == "zero_shot"
            alike = other.learner == learner and same_shots and set(average.marks) <= set(other.marks)
            if other.dataset != AVERAGE or not alike:
                continue
            for evaluation, theirs in other.scores.items():
                ours = average.scores.get(_AVERAGED.get(evaluation, evaluation))
                if ours is not None:
                    said = [
                        departure for row in rows for departure in departures(row, replace(other, dataset=row.dataset))
                    ]
                    yield _beside(average.contestant, other, evaluation, ours, theirs, tuple(dict.fromkeys(said)))


def _beside(
    contestant: str,
    other: Published,
    evaluation: str,
    ours: MeanInterval,
    theirs: float,
    said: tuple[str, ...],
) -> Beside:
    return Beside(
        contestant=contestant,
        method=other.method,
        dataset=other.dataset,
        evaluation=evaluation,
        shots=other.shots,
        ours=ours,
        theirs=theirs,
        beyond=None if ours.half_width is None else abs(100 * ours.mean - theirs) > 100 * ours.half_width,
        departures=said,
        source="; ".join([other.source, *other.marks]),
    )


def _place(row: SweepRow, evaluation: str) -> str:
    """The dataset that an evaluation set's images are of."""
    return evaluation if evaluation in row.targets else row.dataset


def departures(row: SweepRow, other: Published) -> tuple[str, ...]:
    """What a row did otherwise than the published one, as far as a Result and the paper tell."""
    said = []
    if other.learner in _TRAINED_ON_VIEWS and row.views != "online":
        said.append(f"views={row.views}, published: a new random view at each step")
    for recipe in _recipe(other):
        ours = row.facts.get(f"learner.{recipe.argument}")
        if ours is not None and not _same(ours, recipe.value):
            said.append(f"{recipe.argument}={ours}, published: {recipe.value}")
    if row.facts.get("fit.selection") == "val":
        said.append("epoch chosen on validation images, published: the last")
    if row.facts.get("fit.selection") == "test" and "selected_on_test" not in other.marks:
        said.append("epoch chosen on test images, published: the last")
    if len(row.seeds) != PUBLISHED_SEEDS:
        said.append(f"{len(row.seeds)} seeds, published: {PUBLISHED_SEEDS}")
    return (*said, *_of_the_data(row), *(mark for mark in other.marks if mark not in row.marks))


def _of_the_data(row: SweepRow) -> Iterator[str]:
    precision = row.facts.get("fit.precision")
    if precision not in (None, PUBLISHED_PRECISION):
        yield f"{precision}, published: {PUBLISHED_PRECISION}"
    if any("not CoOp's own file" in note for run in row.runs for note in run.notes):
        yield "a split built by rule, published: CoOp's file"


def _recipe(other: Published) -> list[Recipe]:
    """The published arguments; a line of the dataset's own goes before one for any."""
    fitting = [
        recipe
        for recipe in recipes()
        if recipe.method == other.method
        and recipe.protocol in ("", other.protocol)
        and recipe.dataset in ("", other.dataset)
    ]
    return list({recipe.argument: recipe for recipe in sorted(fitting, key=lambda recipe: recipe.dataset)}.values())


def _same(ours: object, theirs: str) -> bool:
    """Equal as numbers, or as text."""
    try:
        return float(str(ours)) == float(theirs)
    except ValueError:
        return str(ours) == theirs
