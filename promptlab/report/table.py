"""Results as tables for the console; the caller prints them with ``rich.console.Console.print``.

What is the same in every row of a table moves to the line above it, and what tells two rows apart that would look the
same is spelt out below it, so that eighty columns are enough for most studies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from promptlab.report import calibrated, open_world
from promptlab.report.averages import METRIC_NAMES, SweepRow
from promptlab.report.column import ScoreColumn, letter, percent, shown
from promptlab.report.columns import (
    LABELS,
    PLACES,
    RUN_FACTS,
    run_score_columns,
    score_columns,
    several_seeds,
)
from promptlab.report.cost import COSTS, cost_notes
from promptlab.report.grouping import summarise
from promptlab.report.layout import LEARNER, Block, Line, ScoreTable
from promptlab.report.statistics import MeanInterval
from promptlab.report.study import ZERO_SHOT_LEARNER, at_shots
from promptlab.results.document import Result


def run_table(result: Result) -> ScoreTable:
    """One run: zero-shot CLIP and the learner on every evaluation set, in percent, and H if the protocol has it.

    Reasons for missing scores stand under the table.
    """
    (row,) = summarise([result])
    columns = run_score_columns(row)
    line = Line(
        {LEARNER: row.learner}, {column.name: column.shown(row) for column in columns}, _is_zero_shot(columns, row)
    )
    return ScoreTable(
        title=f"{result.dataset}, {result.protocol}",
        facts={column.name: column.cell(result) for column in shown(RUN_FACTS, [result])},
        label_columns=(),
        score_columns=[column.name for column in columns],
        blocks=[Block("", {name: percent(score) for name, score in _zero_shot(columns, row)}, [line])],
        notes=[
            *row.notes,
            *_column_notes(columns, [row]),
            *_curve_notes(result),
            *open_world.notes(result),
            *calibrated.notes(result),
            _metric_note([row]),
        ],
    )


def sweep_table(results: Iterable[Result], *, cost: bool = False) -> RenderableType:
    """Runs averaged over seeds, a table per protocol, one under the other; see :func:`sweep_tables`."""
    tables: list[RenderableType] = []
    for table in sweep_tables(results, cost=cost):
        tables += [table, Text()]
    return Group(*tables[:-1]) if tables else Text("no results")


def sweep_tables(results: Iterable[Result], *, cost: bool = False) -> list[ScoreTable]:
    """Runs averaged over seeds, a table per protocol: mean and 95 % Student-t interval of its score, in percent.

    Runs share a row only if they differ by their seed, and by what the seed drew, alone (see :func:`summarise`).

    Args:
        results: runs, in any order.
        cost: whether what the learners cost stands beside what they score.
    """
    rows = summarise(results)
    return [_protocol_table(protocol, list(part), cost) for protocol, part in groupby(rows, lambda row: row.protocol)]


def _protocol_table(protocol: str, rows: Sequence[SweepRow], cost: bool) -> ScoreTable:
    rows = _told_apart(rows)
    places, labels, scores = shown(PLACES, rows), shown(LABELS, rows), score_columns(rows)
    cells = {column.name: [column.cell(row) for row in rows] for column in (*places, *labels)}
    constant = {name: texts[0] for name, texts in cells.items() if len(set(texts)) == 1 and name != LEARNER}
    blocks = []
    for (*_, zero_shot), members in groupby(rows, _baseline):
        group = list(members)
        heading = ", ".join(column.cell(group[0]) for column in places if column.name not in constant)
        lines = [_line(row, cost) for row in group]
        unranked = {column.name for column in scores if not column.ranks}
        ranked = {name: round(score, 4) for name, score in zero_shot if score is not None and name not in unranked}
        blocks.append(Block(heading, {name: percent(score) for name, score in zero_shot}, lines, ranked))
    dataset = constant.pop("dataset", "")
    return ScoreTable(
        title=f"{dataset}, {protocol}" if dataset else protocol,
        facts=constant,
        label_columns=[column.name for column in labels if column.name not in (*constant, LEARNER)],
        score_columns=[column.name for column in (*scores, *(shown(COSTS, rows) if cost else ()))],
        blocks=blocks,
        notes=[
            *_row_notes(rows),
            *_column_notes(scores, rows),
            _metric_note(rows),
            *(cost_notes(rows) if cost else ()),
        ],
    )


def _told_apart(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """Rows with a letter at the learner's name where only the setting tells one from another; notes spell it out."""
    settings: dict[tuple[str, str], list[str]] = {}
    named = []
    for row in rows:
        known = settings.setdefault((row.dataset, row.learner), [])
        if row.setting and row.setting not in known:
            known.append(row.setting)
        name = f"{row.learner} ({letter(known.index(row.setting))})" if row.setting else row.learner
        named.append(replace(row, learner=name))
    return named


def _baseline(row: SweepRow) -> tuple[str, str, tuple[tuple[str, float | None], ...]]:
    """What one zero-shot line speaks for: dataset, backbone, and the scores, comparable with other rows'."""
    return row.dataset, row.backbone, _zero_shot(score_columns([row]), row)


def _zero_shot(columns: Iterable[ScoreColumn], row: SweepRow) -> tuple[tuple[str, float | None], ...]:
    return tuple((column.name, column.zero_shot(row)) for column in columns if column.zero_shot is not None)


def _line(row: SweepRow, cost: bool) -> Line:
    labels = {column.name: column.cell(row) for column in LABELS}
    scores = score_columns([row])
    texts = {column.name: column.shown(row) for column in (*scores, *(COSTS if cost else ()))}
    numbers = {column.name: column.number(row) for column in scores if column.ranks and not row.marks}
    ranked = {name: round(number, 4) for name, number in numbers.items() if number is not None}
    return Line(labels, texts, _is_zero_shot(scores, row), ranked)


def _is_zero_shot(columns: Iterable[ScoreColumn], row: SweepRow) -> bool:
    """Whether a row is the baseline over again: the learner that trains nothing, under the baseline's prompts."""
    if row.learner.split(" (")[0] != ZERO_SHOT_LEARNER:
        return False
    own = [(column.of(row), column.zero_shot(row)) for column in columns if column.zero_shot is not None]
    return all((score.mean if isinstance(score, MeanInterval) else score) == baseline for score, baseline in own)


def _row_notes(rows: Sequence[SweepRow]) -> list[str]:
    """What tells look-alikes apart, then why scores are missing."""
    settings = [f"{row.dataset} {row.learner}: {row.setting}" for row in rows if row.setting]
    reasons = [f"{row.dataset} {row.learner} {at_shots(row.shots)}: {note}" for row in rows for note in row.notes]
    return list(dict.fromkeys(settings + reasons))


def _column_notes(columns: Iterable[ScoreColumn], rows: Sequence[SweepRow]) -> list[str]:
    return [column.note(rows) for column in columns if column.note is not None]


def _metric_note(rows: Sequence[SweepRow]) -> str:
    interval = ", mean ± 95 % Student-t interval over seeds" if several_seeds(rows) else ""
    return f"{METRIC_NAMES[rows[0].metric]} in percent{interval}"


def _curve_notes(result: Result) -> list[str]:
    curve = result.seen_unseen
    if curve is None:
        return []
    notes = [f"area under the seen-unseen curve: {percent(curve.area)}"]
    if curve.calibration is not None:
        found = curve.calibration
        scores = ", ".join(f"{name} {percent(getattr(found, name))}" for name in ("seen", "unseen", "harmonic"))
        notes.append(f"with a bias of {found.bias:.3f}, chosen on held-out seen classes (fit {found.fit_id}): {scores}")
    elif curve.best_bias is not None:
        notes.append(f"development split; H is largest at a bias of {curve.best_bias:.3f}")
    else:
        notes.append("no bias between seen and unseen classes (protocol.calibrate=true chooses one)")
    return notes
