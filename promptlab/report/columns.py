"""Every column of every table, as data: what it is called, what it shows of a row, and how that reads.

The console, Markdown, LaTeX and CSV read these lists: a new column is one entry here. ``PLACES`` and ``LABELS`` say
what runs are and ``SCORES`` what they score beyond the evaluation sets (:func:`evaluation_columns`), for runs averaged
over seeds; ``RUN_FACTS`` is the line above a single run's table; ``RECORD`` is a row per run and evaluation set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from promptlab.report.averages import SweepRow, images_a_class
from promptlab.report.column import Column, Rows, ScoreColumn, number_text, score_text
from promptlab.report.run_score import RunScore
from promptlab.report.run_scores import RUN_SCORES
from promptlab.report.unequal import drawn_otherwise
from promptlab.results.document import Result
from promptlab.results.schema import EvaluationResult


@dataclass(frozen=True)
class Scored:
    """A run on one of its evaluation sets."""

    run: Result
    name: str

    @property
    def part(self) -> EvaluationResult:
        """What the run scored there."""
        return self.run.evaluations[self.name]


def evaluation_columns(rows: Rows) -> list[ScoreColumn]:
    """A column for every evaluation set that a row was scored on, in the order that they come up."""
    return [_evaluation(name) for name in dict.fromkeys(name for row in rows for name in row.scores)]


def score_columns(rows: Rows) -> list[ScoreColumn]:
    """The columns of scores that speak of at least one row."""
    return [*evaluation_columns(rows), *(column for column in SCORES if any(map(column.has, rows)))]


def run_score_columns(row: SweepRow) -> list[ScoreColumn]:
    """The columns of scores that the table of a single run shows."""
    return [*evaluation_columns([row]), *(column for column in SCORES if column.has_in_run(row))]


def _evaluation(name: str) -> ScoreColumn:
    return ScoreColumn(
        name=name,
        of=lambda row: row.scores[name],
        has=lambda row: name in row.scores,
        zero_shot=lambda row: row.zero_shot[name],
    )


def _ranges(seeds: Sequence[int]) -> str:
    """Rising numbers with runs of three and more shortened: 1-3,7,8."""
    parts: list[str] = []
    for _, members in groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in members]
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
    return ",".join(parts)


def several_seeds(rows: Rows) -> bool:
    """Whether any row is an average."""
    return any(len(row.seeds) > 1 for row in rows)


def _harmonic_note(rows: Rows) -> str:
    of = next(row.harmonic_of for row in rows if row.harmonic_of)
    return f"H: harmonic mean of {' and '.join(of)}" + (", averaged over seeds" if several_seeds(rows) else "")


def _rounded(number: float) -> str:
    """A number with at most one decimal."""
    return f"{number:.1f}".removesuffix(".0")


def _had_fewer(shots: int | str, images: float | None) -> bool:
    return isinstance(shots, int) and images is not None and images < shots


def _draw(run: Result) -> str | None:
    """The shape of an unequal draw, None for any other."""
    drawn = drawn_otherwise(run)
    return f"{drawn['draw']} {drawn.get('imbalance', '')}".rstrip() if "draw" in drawn else None


def _fact(name: str) -> Column[Any]:
    """A column that shows an attribute as it is."""
    return Column(name=name, of=attrgetter(name))


def _run_fact(name: str) -> Column[Scored]:
    return Column(name=name, of=attrgetter(f"run.{name}"))


def _metric(name: str, field: str) -> Column[Scored]:
    """A column that shows a field of the learner's or zero-shot's metrics, empty where there are none.

    Args:
        name: its heading.
        field: ``metrics`` or ``zero_shot``, a dot, and the field's name.
    """
    whose, metric = field.split(".")

    def score(scored: Scored) -> float | None:
        metrics = getattr(scored.part, whose)
        return None if metrics is None else getattr(metrics, metric)

    return Column(name=name, of=score, text="{:.4f}".format)


def _error(when: str, name: str) -> Column[Scored]:
    """A column of how far probabilities are from what happened, before or after a temperature."""

    def error(scored: Scored) -> float | None:
        errors = getattr(scored.part, when)
        return None if errors is None else getattr(errors, name)

    heading = f"{name}_after" if when == "calibrated" else name
    return Column(
        name=heading, of=error, text="{:.4f}".format, has=lambda scored: getattr(scored.part, when) is not None
    )


def _run_score(score: RunScore) -> ScoreColumn:
    """A column of a number that some Results have besides their evaluation sets."""
    name = score.name
    return ScoreColumn(
        name=name,
        of=lambda row: row.run_scores.get(name),
        has=lambda row: name in row.run_scores or name in row.zero_shot_run_scores,
        text=score_text if score.fraction else number_text,
        zero_shot=None if score.zero_shot is None else lambda row: row.zero_shot_run_scores.get(name),
        note=lambda rows: score.note,
        in_run=None if score.in_run else lambda row: False,  # its notes say more
        ranks=score.ranks,
    )


def _images(scored: Scored) -> int | None:
    found = [metrics.images for metrics in (scored.part.metrics, scored.part.zero_shot) if metrics is not None]
    return found[0] if found else None


def _commit(scored: Scored) -> str | None:
    """The commit's first digits, with a plus where files differed from it."""
    git = scored.run.git
    return None if git is None else git.commit[:12] + ("+" if git.dirty else "")


MARKS: Column[Any] = Column(name="marks", of=attrgetter("marks"), text=", ".join, has=lambda row: bool(row.marks))
"""Sets marked learners apart wherever there are any."""

PLACES: tuple[Column[SweepRow], ...] = (_fact("dataset"), _fact("backbone"))

HAD = "images a class"
"""Heading of what stands beside ``shots`` where a dataset had fewer images than were asked for."""

LABELS: tuple[Column[SweepRow], ...] = (
    _fact("learner"),
    _fact("shots"),
    Column(
        name=HAD,
        of=attrgetter("images_a_class"),
        text=_rounded,
        has=lambda row: _had_fewer(row.shots, row.images_a_class),
    ),
    _fact("views"),
    Column(name="seeds", of=attrgetter("seeds"), text=_ranges),
    MARKS,
)

SWEEP: tuple[Column[SweepRow], ...] = (
    _fact("protocol"),
    *PLACES,
    *LABELS,
    Column(name="setting", of=attrgetter("setting"), has=lambda row: bool(row.setting)),
    _fact("metric"),
)
"""What a row of a spreadsheet is, where the console has a table per protocol and letters for settings."""

SCORES: tuple[ScoreColumn, ...] = (
    ScoreColumn(
        name="targets",
        of=lambda row: row.target_mean,
        has=lambda row: row.target_mean is not None,
        in_run=lambda row: len(row.targets) > 1,
        zero_shot=lambda row: row.zero_shot_target_mean,
        note=lambda rows: "targets: mean over the target datasets",
    ),
    ScoreColumn(
        name="H",
        of=lambda row: row.mean_of_seed_h,
        has=lambda row: row.harmonic_of is not None,
        zero_shot=lambda row: row.zero_shot_h,
        note=_harmonic_note,
    ),
    ScoreColumn(
        name="H of means",
        of=lambda row: row.h_of_seed_means,
        has=lambda row: row.harmonic_of is not None and len(row.seeds) > 1,
        note=lambda rows: "H of means: harmonic mean of the means over seeds",
    ),
    ScoreColumn(
        name="H biased",
        of=lambda row: row.calibrated_h,
        has=lambda row: row.calibrated_h is not None,
        in_run=lambda row: False,  # its notes say more
        note=lambda rows: "H biased: H with a bias for unseen classes, chosen on held-out seen classes",
    ),
    ScoreColumn(
        name="area",
        of=lambda row: row.curve_area,
        has=lambda row: row.curve_area is not None,
        in_run=lambda row: False,  # its notes say more
        note=lambda rows: "area: under the seen-unseen curve",
    ),
    *map(_run_score, RUN_SCORES),
)
"""After the columns of evaluation sets, in this order."""

RUN_FACTS: tuple[Column[Result], ...] = (
    *map(_fact, ("backbone", "shots")),
    Column(name=HAD, of=images_a_class, text=_rounded, has=lambda run: _had_fewer(run.shots, images_a_class(run))),
    Column(name="draw", of=_draw, has=lambda run: _draw(run) is not None),
    *map(_fact, ("views", "seed", "selection")),
    Column(name="balance", of=attrgetter("fit.balance"), has=lambda run: run.fit.balance is not None),
    MARKS,
)

RECORD: tuple[Column[Scored], ...] = (
    *map(_run_fact, ("dataset", "protocol", "learner", "backbone", "shots", "views", "seed")),
    Column(name="evaluation", of=attrgetter("name")),
    Column(name="images", of=_images),
    _metric("top1", "metrics.top1"),
    _metric("mean_class_accuracy", "metrics.mean_class_accuracy"),
    _metric("zero_shot_top1", "zero_shot.top1"),
    *(
        _error(when, name)
        for when in ("uncalibrated", "calibrated")
        for name in ("ece", "adaptive_ece", "brier", "nll")
    ),
    Column(name="fit_seconds", of=attrgetter("run.seconds.fit"), text="{:.1f}".format),
    _run_fact("fit_id"),
    Column(name="eval_id", of=attrgetter("part.eval_id")),
    Column(name="commit", of=_commit),
    Column(name="marks", of=attrgetter("run.marks"), text=", ".join, has=lambda scored: bool(scored.run.marks)),
)
