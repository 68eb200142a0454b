"""Results as CSV: a row per run and evaluation set, or a row per setting averaged over seeds. Scores are fractions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from promptlab.report.averages import SweepRow
from promptlab.report.column import Column, Row, ScoreColumn, shown
from promptlab.report.columns import RECORD, SWEEP, Scored, score_columns
from promptlab.report.grouping import summarise
from promptlab.report.statistics import MeanInterval
from promptlab.results.document import Result


def record_csv(results: Iterable[Result]) -> str:
    """Every run on every evaluation set, in their order: what it was, what it scored, where it came from."""
    return csv_text(RECORD, [Scored(run, name) for run in results for name in run.evaluations])


def sweep_csv(results: Iterable[Result]) -> str:
    """Runs averaged over seeds: what they are, then each score's mean, half width of its interval, and zero-shot."""
    rows = summarise(results)
    scores = [number for column in score_columns(rows) for number in _numbers(column)]
    return csv_text([*SWEEP, *scores], rows)


def csv_text(columns: Iterable[Column[Row]], rows: Sequence[Row]) -> str:
    """A line per row under a line of names, without columns that speak of no row; what is missing is an empty cell.

    Example:
        >>> columns = [Column(name="name", of=str), Column(name="squared", of=lambda number: number**2)]
        >>> csv_text(columns, [2, 3]).splitlines()
        ['name,squared', '2,4', '3,9']
    """
    columns = shown(columns, rows) if rows else list(columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([column.cell(row, missing="") for column in columns] for row in rows)
    return text.getvalue()


def _numbers(column: ScoreColumn) -> list[Column[SweepRow]]:
    """What a column of scores says, a number to a column."""

    def number(name: str, of: Callable[[SweepRow], float | None]) -> Column[SweepRow]:
        return Column(name=name, of=of, text="{:.4f}".format, has=lambda row: column.has(row) and of(row) is not None)

    def mean(row: SweepRow) -> float | None:
        score = column.of(row)
        return score.mean if isinstance(score, MeanInterval) else score

    def half_width(row: SweepRow) -> float | None:
        score = column.of(row)
        return score.half_width if isinstance(score, MeanInterval) else None

    numbers = [number(column.name, mean), number(f"{column.name} half width", half_width)]
    return numbers if column.zero_shot is None else [*numbers, number(f"{column.name} zero-shot", column.zero_shot)]
