"""The pictures that somebody gives: a folder with a folder per class, a table, or a table on standard input."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from promptlab.class_text.name_notes import CURE
from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.items import Dataset, Items
from promptlab.data.pictures.formats import is_image_name
from promptlab.data.readers.csv_table import is_number, read_table
from promptlab.data.readers.default_name import own_name
from promptlab.data.readers.folder import read_folder
from promptlab.data.readers.listed_paths import under_one_root
from promptlab.data.readers.lists import read_csv
from promptlab.data.sources.files import FileImages
from promptlab.support.errors import DatasetError, NotThereError, UsageError

STANDARD_INPUT = "-"
SKIPPED = "skip_bad"
"""What a reader's note on files that it left out ends with."""


@dataclass(frozen=True)
class LabelledPictures:
    """What is to be learned from.

    Args:
        name: of the folder or table.
        given: its absolute path, or ``-``.
        items: N pictures with their labels.
        class_names: names of the C classes.
        class_origins: what each class was read from.
        template: the hand-written prompt.
        groups: for each picture what ``--group`` says; empty without.
        notes: what the readers noticed, a sentence each.
        left_out: which files were left out, and why, likewise.
        others: classes that stand for "none of these".
    """

    name: str
    given: str
    items: Items
    class_names: tuple[str, ...]
    class_origins: tuple[str, ...]
    template: str = DEFAULT_TEMPLATE
    groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of the N pictures."""
        return [self.items.source.describe(index) for index in self.items.indices.tolist()]


def read_labelled(pictures: str, *, group: str | None = None, template: str = DEFAULT_TEMPLATE) -> LabelledPictures:
    """Read pictures, turned as their EXIF says; what can't be opened is left out and noted.

    Args:
        pictures: a folder, a table, or ``-`` for a table on standard input whose paths begin in the working folder.
        group: of a table, the column whose equal cells keep pictures together; a blank cell is alone.
        template: the hand-written prompt with ``{}``.

    Raises:
        DatasetError: naming everything that is wrong with the pictures.
        UsageError: for an empty path, one where nothing is (NotThereError), and a group without a table.
    """
    if pictures == STANDARD_INPUT:
        return _of_standard_input(group, template)
    if not pictures.strip():
        raise UsageError(f"PICTURES is {pictures!r}: a folder, a table, or - is needed; . is the working folder")
    path = Path(pictures).expanduser().absolute()
    if not path.exists():
        raise NotThereError(f"there is nothing at {path}: a folder with a folder of pictures per class, or a table "
                           "(CSV) with the columns path and label, is needed")  # fmt: skip
    if path.is_file() and is_image_name(path.name):
        raise DatasetError(f"{path} is a picture: a folder with a folder of pictures per class, or a table, is needed")
    if not path.is_dir():
        return _of_table(path, str(path), path.parent, group, template)
    if group is not None:
        raise UsageError(f"--group {group}: a folder has no columns; give a table with path, label and {group}")
    dataset = read_folder(None, path, test="none", template=template, exif=True, skip_bad=True)
    return _of_dataset(dataset, str(path))


def _of_standard_input(group: str | None, template: str) -> LabelledPictures:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "pictures.csv")
        table.write_bytes(sys.stdin.buffer.read())
        try:
            return _of_table(table, STANDARD_INPUT, Path.cwd(), group, template)
        except DatasetError as error:
            raise DatasetError(str(error).replace(str(table), "standard input")) from error


def _of_table(table: Path, given: str, images: Path, group: str | None, template: str) -> LabelledPictures:
    name = own_name(None, "csv", table)
    labels = set(read_table(table).labels)
    names = {label: label for label in labels} if all(map(is_number, labels)) else None  # as a folder's: their digits
    dataset = read_csv(
        name, table, images=str(images), class_names=names, test="none", template=template, exif=True, skip_bad=True
    )
    found = _of_dataset(dataset, given)
    return found if group is None else replace(found, groups=_groups(found.files, table, images, group))


def _groups(files: Sequence[str], table: Path, images: Path, column: str) -> tuple[str, ...]:
    """The cells of a column, by picture."""
    rows = read_table(table, column)
    _, paths = under_one_root(images, rows.paths, str(table))
    cells = {path: cell or f"\n{path}" for path, cell in zip(paths, rows.more, strict=True)}
    return tuple(cells[file] for file in files)


def _of_dataset(dataset: Dataset, given: str) -> LabelledPictures:
    """All that may be learned from, in one list."""
    parts = dataset.train, dataset.val
    items = replace(
        dataset.train,
        indices=np.concatenate([part.indices for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
    )
    left_out = [note for note in dataset.notes if SKIPPED in note]
    return LabelledPictures(
        dataset.name,
        given,
        items,
        dataset.class_names,
        dataset.class_origins or dataset.class_names,
        dataset.template,
        notes=tuple(_without_keys(note) for note in dataset.notes if SKIPPED not in note),
        left_out=tuple(note.replace(f" ({SKIPPED})", "") for note in left_out),
    )


def _without_keys(note: str) -> str:
    """A reader's note without keys of the configuration, which nobody who adapts has."""
    return note.replace(" (dataset.test=none)", "").replace(CURE, "rename them to have them read otherwise")


def root_of(items: Items) -> Path:
    """The folder that the names of the pictures are relative to; the working folder of pictures in memory."""
    return items.source.root if isinstance(items.source, FileImages) else Path.cwd()
