"""Results as CSV or Parquet: a row per run and evaluation set, or a row per setting averaged over seeds.

Scores are fractions.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from promptlab.report.averages import SweepRow
from promptlab.report.collection import Collection
from promptlab.report.column import Column, Row, ScoreColumn, shown
from promptlab.report.columns import RECORD, SWEEP, Scored, score_columns
from promptlab.report.cost import COSTS
from promptlab.report.grouping import summarise
from promptlab.report.statistics import MeanInterval
from promptlab.results.document import Result
from promptlab.support.extras import extra
from promptlab.support.files import replacing
from promptlab.support.typed_json import to_plain

NUMBERS_OR_WORDS = ("shots", "views")
"""Columns whose cells are ``16`` in one row and ``all`` or ``online`` in another."""


def record_csv(results: Iterable[Result]) -> str:
    """Every run on every evaluation set, in their order: what it was, what it scored, where it came from."""
    return csv_text(RECORD, [Scored(run, name) for run in results for name in run.evaluations])


def sweep_csv(results: Iterable[Result]) -> str:
    """Runs averaged over seeds: what they are, each score's mean, spread and zero-shot, and what they cost."""
    rows = summarise(results)
    scores = [number for column in score_columns(rows) for number in _numbers(column)]
    return csv_text([*SWEEP, *scores, *(replace(column, text="{:.4g}".format) for column in COSTS)], rows)


def document(collection: Collection) -> dict[str, object]:
    """Everything that was found, as plain values for JSON: averages, runs, and what has no Result, each by column."""
    results = collection.results
    rows = summarise(results)
    scores = [number for column in score_columns(rows) for number in _numbers(column)]
    runs = [Scored(run, name) for run in results for name in run.evaluations]
    return {
        "averages": _records([*SWEEP, *scores, *COSTS], rows),
        "runs": _records(RECORD, runs),
        "without_result": [to_plain(sweep) for sweep in collection.sweeps],
        "unfinished": [str(folder) for folder in collection.unfinished],
        "failed": {str(folder): why for folder, why in collection.failed.items()},
        "damaged": {str(path): why for path, why in collection.damaged.items()},
    }


def write_parquet(path: str | Path, results: Iterable[Result]) -> None:
    """What :func:`record_csv` has, each column in its own type, for pandas, Polars or DuckDB; atomically.

    ``shots`` and ``views`` are text, being numbers or words.

    Args:
        path: of the file.
        results: runs, in any order.

    Raises:
        UsageError: without pyarrow, which reads and writes such files.
    """
    with extra("report", "a Parquet file"):
        import pyarrow as pa
        from pyarrow import parquet
    rows = [Scored(run, name) for run in results for name in run.evaluations]
    columns = {column.name: pa.array([_typed(column, row) for row in rows]) for column in shown(RECORD, rows)}
    with replacing(path) as temporary:
        parquet.write_table(pa.table(columns), temporary)


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


def _records(columns: Iterable[Column[Row]], rows: Sequence[Row]) -> list[dict[str, object]]:
    """A mapping of each row: columns that speak of it by name."""
    return [{column.name: _plain(column.of(row)) for column in columns if column.has(row)} for row in rows]


def _plain(value: object) -> object:
    """A cell as JSON has it; what has a form of its own, such as a mean with its interval, as it is printed."""
    if value is None or isinstance(value, bool | int | float | str):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _typed(column: Column[Scored], row: Scored) -> object:
    """A cell as Parquet has it: what may be a number or a word as text, a tuple as a list."""
    value = column.of(row)
    if column.name in NUMBERS_OR_WORDS:
        return column.text(value)
    return list(value) if isinstance(value, tuple) else value


def _numbers(column: ScoreColumn) -> list[Column[SweepRow]]:
    """What a column of scores says, a number to a column."""

    def number(name: str, of: Callable[[SweepRow], float | None]) -> Column[SweepRow]:
        return Column(name=name, of=of, text="{:.4f}".format, has=lambda row: column.has(row) and of(row) is not None)

    def spread(name: str, of: Callable[[MeanInterval], float | None]) -> Column[SweepRow]:
        def found(row: SweepRow) -> float | None:
            score = column.of(row)
            return of(score) if isinstance(score, MeanInterval) else None

        return number(f"{column.name} {name}", found)

    numbers = [
        number(column.name, column.number),
        spread("half width", lambda score: score.half_width),
        spread("sd", lambda score: score.deviation),
    ]
    return numbers if column.zero_shot is None else [*numbers, number(f"{column.name} zero-shot", column.zero_shot)]
