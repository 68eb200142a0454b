"""One's own images listed in a file: a table (CSV) of paths and labels, or CoOp's JSON at any place."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from promptlab.data.class_names import ClassNames, names_for, names_of_numbers
from promptlab.data.images import FileImages
from promptlab.data.items import Dataset, DatasetError
from promptlab.data.own_images import (
    EXTENSIONS,
    Lists,
    counted,
    dataset_of_lists,
    drawn_lists,
    file_problems,
    given_path,
    refuse,
    split_of,
    split_words,
)
from promptlab.data.readers import read_split_file
from promptlab.data.rows import SPLITS, dataset_of_rows
from promptlab.data.templates import DEFAULT_TEMPLATE


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    split: str


def read_csv(
    name: str,
    path: str | Path | None,
    *,
    images: str | None = None,
    class_names: ClassNames | None = None,
    template: str = DEFAULT_TEMPLATE,
    split_seed: int = 1,
) -> Dataset:
    """Read a table with the columns ``path``, ``label`` and perhaps ``split``; others are passed over.

    Labels are names, with classes in alphabetical order, or numbers from 0 whose names ``class_names`` gives.

    Args:
        name: what a Result calls the dataset.
        path: the file: UTF-8, comma-separated, with a line of column names.
        images: the folder that its paths are relative to; the file's own if None.
        class_names: names in label order, or other names for some labels, or a text file with either.
        template: the hand-written prompt with ``{}``.
        split_seed: of the draw where there is no column ``split``: 50 % train, 20 % val, 30 % test of each class.

    Raises:
        DatasetError: naming everything that is wrong with the file and its images.
    """
    file = given_path(name, path, "a CSV file")
    where = f"dataset {name} ({file})"
    rows, has_split = _read_table(file)
    problems = _row_problems(rows, has_split)
    refuse(where, problems)
    keys, numbered = _keys(rows, class_names)
    problems += counted(
        f"labels lie outside 0 to {len(keys) - 1}", sorted({row.label for row in rows if row.label not in set(keys)})
    )
    refuse(where, problems)
    root, paths = _under_one_root(Path(images).expanduser().absolute() if images else file.parent, rows)
    pairs = [(path, row.label) for path, row in zip(paths, rows, strict=True)]
    lists: Lists
    if has_split:
        lists = {
            split: [pair for pair, row in zip(pairs, rows, strict=True) if split_of(row.split) == split]
            for split in SPLITS
        }
    else:
        lists = drawn_lists(pairs, split_seed, problems)
    problems += _listed_twice(lists)
    return dataset_of_lists(
        name,
        root,
        lists,
        keys=keys,
        class_names=names_of_numbers(class_names) if numbered else class_names,
        template=template,
        source=f"csv ({file.name})" if has_split else f"drawn from {file.name} (split_seed={split_seed})",
        where=where,
        problems=problems,
    )


def read_json(
    name: str,
    path: str | Path | None,
    *,
    images: str | None = None,
    class_names: ClassNames | None = None,
    template: str = DEFAULT_TEMPLATE,
) -> Dataset:
    """Read a split file in CoOp's form: ``{"train": [[path, label, class name], ...], "val": ..., "test": ...}``.

    Args:
        name: what a Result calls the dataset.
        path: the file.
        images: the folder that its paths are relative to; the file's own if None.
        class_names: other names, in label order, or of some of the file's names, or a text file with either.
        template: the hand-written prompt with ``{}``.

    Raises:
        DatasetError: naming everything that is wrong with the file and its images.
    """
    file = given_path(name, path, "a JSON file")
    where = f"dataset {name} ({file})"
    root = Path(images).expanduser().absolute() if images else file.parent
    rows = replace(read_split_file(file), source=f"json ({file.name})")
    dataset = dataset_of_rows(name, root, rows, where=where, template=template)
    source = dataset.train.source
    assert isinstance(source, FileImages)
    refuse(where, file_problems(root, (source.describe(index) for index in range(len(source)))))
    return replace(dataset, class_names=names_for(dataset.class_names, class_names))


def _read_table(file: Path) -> tuple[list[_Row], bool]:
    """The rows, and whether they say their split."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            columns = [column.strip().lower() for column in reader.fieldnames or []]
            absent = [column for column in ("path", "label") if column not in columns]
            if absent:
                raise DatasetError(
                    f"{file} has no column {' and no column '.join(absent)}; it has {', '.join(columns) or 'none'}. "
                    "A first line path,label or path,label,split is needed."
                )
            reader.fieldnames = columns
            rows = [
                _Row(reader.line_num, _cell(row, "path"), _cell(row, "label"), _cell(row, "split")) for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file} can't be read as a table ({error}). A UTF-8 CSV file is needed.") from error
    if not rows:
        raise DatasetError(f"{file} has no rows below its line of columns")
    return rows, "split" in columns


def _cell(row: dict[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _row_problems(rows: Sequence[_Row], has_split: bool) -> list[str]:
    blank = [f"line {row.line}" for row in rows if not row.path or not row.label]
    splits = [f"{row.split or 'blank'} (line {row.line})" for row in rows if has_split and split_of(row.split) is None]
    suffixes = [row.path for row in rows if Path(row.path).suffix and not row.path.lower().endswith(EXTENSIONS)]
    return [
        *counted("rows have no path or no label", blank),
        *counted(f"rows have an unknown split (known are {split_words()})", splits),
        *counted("paths don't end as images do", suffixes),
    ]


def _keys(rows: Sequence[_Row], class_names: ClassNames | None) -> tuple[list[str], bool]:
    """The classes in label order, and whether they are numbers."""
    labels = {row.label for row in rows}
    if all(label.isdecimal() and label == str(int(label)) for label in labels):
        return [str(label) for label in range(len(names_of_numbers(class_names)))], True
    return sorted(labels), False


def _under_one_root(root: Path, rows: Sequence[_Row]) -> tuple[Path, list[str]]:
    """Paths relative to ``root``, or to the folder above all images where some lie elsewhere."""
    paths = [os.path.normpath(root / row.path) for row in rows]
    if not all(path.startswith(f"{root}{os.sep}") for path in paths):
        root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    return root, [Path(path).relative_to(root).as_posix() for path in paths]


def _listed_twice(lists: Lists) -> list[str]:
    """Images with two labels, twice in a list, or among training and other images."""
    labels: dict[str, str] = {}
    twice: set[str] = set()
    for split in SPLITS:
        earlier = set() if split == "train" else {path for path, _ in lists["train"]}
        for path, label in lists[split]:
            if path in earlier or labels.setdefault(path, label) != label:
                twice.add(path)
            earlier.add(path)
    return counted("images are listed twice, in training and elsewhere or with two labels", sorted(twice))
