"""A table of one's own images as it is in a CSV file: its rows, and what is wrong with them."""

from __future__ import annotations

import csv
import math
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from promptlab.data.checks.problems import gathered
from promptlab.data.pictures.formats import is_image_name
from promptlab.data.readers.split_names import split_of, split_words
from promptlab.support.errors import DatasetError
from promptlab.support.texts import open_text

_SEPARATORS = ",;\t|"
_COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img_path", "image"),
    "label": ("label", "class", "class_name", "classname", "category", "target", "species"),
    "split": ("split", "subset", "set", "partition"),
}
"""Words that columns are called by, the usual one first."""


@dataclass(frozen=True)
class Table:
    """The columns of a table, of N rows each; equal labels are one string, so that a million rows stay light.

    Args:
        paths: images.
        labels: their classes.
        splits: ``train``, ``val`` or ``test`` in the file's own words; None without such a column.
        lines: the line of the file that each row ends on.
        wide: lines with more cells than there are columns: one holds a separator and isn't quoted.
        more: another column that was asked for, blank where a row is too short.
    """

    paths: list[str]
    labels: list[str]
    splits: list[str] | None
    lines: array[int]
    wide: list[int]
    more: list[str] = field(default_factory=list)


def read_table(file: Path, more: str | None = None) -> Table:
    """Read a table.

    Args:
        file: UTF-8, separated by commas, semicolons or tabs, with a line of column names in any order, of which one of
            a path and one of a label are needed, and one of the split is known. Blank rows don't count.
        more: name of another column that is wanted, in any case.

    Raises:
        DatasetError: if it can't be read, lacks a column or has it twice, or has no rows.
    """
    try:
        with open_text(file) as lines:
            separator, columns, above = _header(lines)
            at = {kind: _place(columns, words) for kind, words in _COLUMNS.items()}
            absent = [kind for kind in ("path", "label") if at[kind] is None]
            if absent:
                raise DatasetError(
                    f"{file} has no column {' and no column '.join(absent)}; it has {', '.join(columns) or 'none'}. "
                    "A first line path,label or path,label,split is needed."
                )
            _refuse_twice(file, columns, [columns[place] for place in at.values() if place is not None], more)
            if more is not None and _named(more) not in columns:
                raise DatasetError(f"{file} has no column {more!r}; it has {', '.join(columns)}")
            reader = csv.reader(lines, delimiter=separator)
            wanted = None if more is None else columns.index(_named(more))
            found = _columns(reader, at["path"] or 0, at["label"] or 0, at["split"], wanted, len(columns), above)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file} can't be read as a table ({error}). A UTF-8 CSV file is needed.") from error
    if not found.paths:
        raise DatasetError(f"{file} has no rows below its line of columns")
    return found


def _header(lines: TextIO) -> tuple[str, list[str], int]:
    """The separator, the columns, and how many lines were read for them; Excel's ``sep=;`` may stand above them."""
    above, first = 0, "\n"
    while first and (not first.strip() or first.lower().startswith("sep=")):
        above, first = above + 1, next(lines, "")
    cut = {separator: _cells(first, separator) for separator in _SEPARATORS}
    known = {word for words in _COLUMNS.values() for word in words}
    separator = max(_SEPARATORS, key=lambda separator: sum(column in known for column in cut[separator]))
    return separator, cut[separator], above


def _cells(line: str, separator: str) -> list[str]:
    return [_named(cell) for cell in next(csv.reader([line], delimiter=separator), [])]


def _named(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_")


def _place(columns: list[str], words: tuple[str, ...]) -> int | None:
    """Which column is called by one of these words, the first word before the others."""
    return next((columns.index(word) for word in words if word in columns), None)


def _refuse_twice(file: Path, columns: list[str], read: list[str], more: str | None) -> None:
    """Refuse two columns of one name where it is read: which of them is meant can't be told."""
    wanted = read if more is None else [*read, _named(more)]
    twice = next((column for column in wanted if columns.count(column) > 1), None)
    if twice is not None:
        raise DatasetError(f"{file} has {columns.count(twice)} columns {twice}; give all but one another name")


def _columns(reader: Any, path: int, label: int, split: int | None, more: int | None, count: int, above: int) -> Table:
    """The cells at these places of each row below so many lines, stripped; those that a short row lacks are blank."""
    table = Table([], [], None if split is None else [], array("q"), [])
    same: dict[str, str] = {}
    width = 1 + max(path, label, split or 0, more or 0)
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < width:
            row += [""] * (width - len(row))
        if len(row) > count and any(cell.strip() for cell in row[count:]):
            table.wide.append(above + reader.line_num)
        table.lines.append(above + reader.line_num)
        table.paths.append(row[path].strip())
        table.labels.append(same.setdefault(row[label], row[label]))
        if table.splits is not None and split is not None:
            table.splits.append(same.setdefault(row[split], row[split]))
        if more is not None:
            table.more.append(row[more].strip())
    bare = {text: text.strip() for text in same}
    table.labels[:] = [bare[text] for text in table.labels]
    if table.splits is not None:
        table.splits[:] = [bare[text] for text in table.splits]
    return table


def row_problems(table: Table) -> list[str]:
    """What is wrong with the rows themselves: blanks, unknown splits, other files."""
    nothing = {label for label in set(table.labels) if label.lower() in ("", "nan")}
    rows = zip(table.paths, table.labels, table.lines, strict=True)
    blank = [f"line {line}" for path, label, line in rows if not path or label in nothing]
    unknown = {word for word in set(table.splits or ()) if split_of(word) is None}
    splits = zip(table.splits or (), table.lines, strict=False)
    strange = [f"{word or 'blank'} (line {line})" for word, line in splits if word in unknown]
    suffixes = [path for path in table.paths if not is_image_name(path) and Path(path).suffix]
    return [
        *gathered("row has", "rows have", blank, " no path or no label"),
        *gathered(
            "row has",
            "rows have",
            [f"line {n}" for n in table.wide],
            " more cells than columns (quote what holds a comma)",
        ),
        *gathered("row has", "rows have", strange, f" an unknown split (known are {split_words()})"),
        *gathered("path doesn't end", "paths don't end", suffixes, " as images do"),
    ]


def is_number(label: str) -> bool:
    """Whether a label is a number, however it is written."""
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False
