"""Predictions written row by row, as they come: a table for people, CSV, JSON, JSON lines, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TextIO

from rich.cells import cell_len

from promptlab.evaluation.predicted import NONE
from promptlab.evaluation.prediction import Prediction
from promptlab.support.extras import extra
from promptlab.support.files import replacing
from promptlab.support.words import printable

Write = Callable[[Prediction], None]
_DIGITS, _ROWS_TOGETHER, _WIDEST = 6, 4096, 40
_UNREADABLE = "can't be read"


@dataclass(frozen=True)
class Shape:
    """What rows may hold.

    Args:
        class_names: of the learner.
        top: how many classes a row names.
        frames: whether frames of videos have rows.
        sets: whether rows have prediction sets.
        declines: whether an answer may be none of the classes.

    Example:
        >>> list(Shape(("cat", "dog"), top=2).columns())
        ['picture', 'name', 'probability', 'name_2', 'probability_2', 'error']
    """

    class_names: tuple[str, ...]
    top: int = 1
    frames: bool = False
    sets: bool = False
    declines: bool = False

    def columns(self) -> dict[str, Callable[[Prediction], Any]]:
        """Of files of cells, by name; the most probable class has one of its own where the answer may be another."""
        columns: dict[str, Callable[[Prediction], Any]] = {
            "picture": lambda row: printable(row.picture),
            "name": lambda row: row.name,
            "probability": lambda row: row.probability,
        }
        named = min(self.top, len(self.class_names))
        if named > 1 and self.declines:
            columns["name_1"] = partial(_of_top, place=0, part=0)
        for place in range(1, named):
            columns[f"name_{place + 1}"] = partial(_of_top, place=place, part=0)
            columns[f"probability_{place + 1}"] = partial(_of_top, place=place, part=1)
        if self.sets:
            columns["set"] = lambda row: None if row.set is None else json.dumps(row.set, ensure_ascii=False)
        if self.frames:
            columns["seconds"] = lambda row: row.seconds
        return {**columns, "error": lambda row: None if row.error is None else printable(row.error)}


@contextmanager
def csv_rows(stream: TextIO, shape: Shape) -> Iterator[Write]:
    """A line of names, then a line for each row; "none of these" and what can't be read have an empty name."""
    columns = shape.columns()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    yield lambda row: writer.writerow(map(_rounded, (of(row) for of in columns.values())))


@contextmanager
def json_lines(stream: TextIO, shape: Shape) -> Iterator[Write]:
    """An object a line."""
    yield lambda row: _put(stream, f"{_as_json(row)}\n")


@contextmanager
def json_document(stream: TextIO, shape: Shape) -> Iterator[Write]:
    """One list of objects, a line each."""
    stream.write("[")
    separators = chain(["\n"], repeat(",\n"))
    yield lambda row: _put(stream, next(separators) + _as_json(row))
    stream.write("\n]\n")


@contextmanager
def table_lines(stream: TextIO, shape: Shape) -> Iterator[Write]:
    """Columns for a terminal, whose widths class names give; the picture comes last, however long its path."""
    width = min(max(cell_len(name) for name in (*shape.class_names, NONE, _UNREADABLE)), _WIDEST)

    def cells(row: Prediction) -> Iterator[str]:
        if row.error is not None:
            yield _padded(_UNREADABLE, width) + " " * 8
            return
        best = row.top if shape.top > 1 else [(row.name or NONE, row.probability)]
        if shape.top > 1 and row.name is None:
            yield f"{NONE}:"
        yield from (f"{_padded(name, width)}  {probability:.4f}" for name, probability in best)
        if row.set is not None:
            yield f"{{{', '.join(map(_shown, row.set))}}}"

    def line(row: Prediction) -> str:
        where = _shown(row.picture) + (f" at {row.seconds:.2f} s" if row.seconds is not None else "")
        more = f" ({row.frames} frames)" if row.frames is not None else f": {_shown(row.error)}" if row.error else ""
        return "  ".join([*cells(row), f"{where}{more}"]) + "\n"

    yield lambda row: _put(stream, line(row))


@contextmanager
def parquet_rows(path: Path, shape: Shape) -> Iterator[Write]:
    """A Parquet file, written some thousand rows at a time; the path is of a file that nobody reads yet.

    Raises:
        UsageError: without pyarrow.
    """
    with extra("report", "a Parquet file"):
        import pyarrow as pa
        from pyarrow import parquet
    columns = shape.columns()
    numbers = ("probability", "seconds")
    schema = pa.schema([(name, pa.float64() if name.startswith(numbers) else pa.string()) for name in columns])
    waiting: list[Prediction] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            arrays = [
                pa.array([of(row) for row in waiting], kind.type)
                for of, kind in zip(columns.values(), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            waiting.clear()

        def write(row: Prediction) -> None:
            waiting.append(row)
            if len(waiting) == _ROWS_TOGETHER:
                flush()

        yield write
        flush()


FORMATS: dict[str, Callable[[TextIO, Shape], AbstractContextManager[Write]]] = {
    "table": table_lines,
    "csv": csv_rows,
    "json": json_document,
    "jsonl": json_lines,
}
"""What a stream of text can be."""
SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
"""What names of files end in that :func:`file_of_rows` writes."""


@contextmanager
def file_of_rows(path: Path, shape: Shape) -> Iterator[Write]:
    """A file of the kind that its name says, there once it is whole.

    Args:
        path: ends in one of :data:`SUFFIXES`.
        shape: what rows hold.
    """
    kind = path.suffix.lower()
    with replacing(path) as temporary:
        if kind == ".parquet":
            with parquet_rows(temporary, shape) as write:
                yield write
            return
        with temporary.open("w", encoding="utf-8", newline="") as stream, FORMATS[kind[1:]](stream, shape) as write:
            yield write


def _of_top(row: Prediction, *, place: int, part: int) -> str | float | None:
    return row.top[place][part] if row.top else None


def _put(stream: TextIO, text: str) -> None:
    stream.write(text)


def _as_json(row: Prediction) -> str:
    said = asdict(row)
    said["top"] = [{"name": name, "probability": _rounded(value)} for name, value in row.top]
    said |= {key: _rounded(said[key]) for key in ("probability", "seconds")}
    said |= {key: printable(said[key]) for key in ("picture", "error") if said[key] is not None}
    return json.dumps(said, ensure_ascii=False)


def _rounded(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _shown(text: str | None) -> str:
    """A text on a terminal: nothing in it moves the cursor."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in printable(text or ""))


def _padded(name: str, width: int) -> str:
    shown = _shown(name)
    return shown + " " * (width - cell_len(shown))
