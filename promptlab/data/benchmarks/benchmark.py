"""The reader of every benchmark: CoOp's split file where there is one, else the dataset's own lists or folders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from promptlab.data.benchmarks.layout import Layout, find_layout
from promptlab.data.items import Dataset
from promptlab.data.readers.split_file import read_split_file
from promptlab.data.readers.split_rows import SplitRows, dataset_of_rows
from promptlab.support.errors import DatasetError

log = logging.getLogger(__name__)


def read_benchmark(
    name: str,
    root: str | Path | None,
    *,
    folders: Sequence[str],
    split_file: str | None = None,
    index: Callable[[Layout], SplitRows] | None = None,
    template: str | None = None,
    n_classes: int | None = None,
) -> Dataset:
    """Read a benchmark where it lies, in CoOp's layout or torchvision's.

    No image is touched; missing ones are reported when a run asks for them, all at once and before it trains. The
    dataset's ``split_source`` says which of the two ways gave the split.

    Args:
        name: the dataset's name as CoOp spells it, e.g. ``oxford_pets``.
        root: the folder that holds all datasets.
        folders: image folders under ``root``; the first that exists is used.
        split_file: CoOp's split file. It may lie beside the images, above them, in CoOp's folder for this dataset, or
            directly in ``root``; None for a dataset that has none.
        index: what makes the split where the split file is absent; None where nothing can.
        template: the hand-written prompt with ``{}``; CoOp's for this name if None.
        n_classes: C, where it should be checked.

    Returns:
        The dataset.

    Raises:
        DatasetError: if something is missing or not as it should be; the message says what to do.

    Example:
        >>> import json, tempfile
        >>> root = tempfile.TemporaryDirectory()
        >>> images = Path(root.name, "pets", "images")
        >>> images.mkdir(parents=True)
        >>> rows = [["1.png", 0, "cat"], ["2.png", 1, "dog"]]
        >>> _ = Path(root.name, "pets", "split.json").write_text(json.dumps({"train": rows, "val": [], "test": rows}))
        >>> read_benchmark("pets", root.name, folders=["pets/images"], split_file="split.json").class_names
        ('cat', 'dog')
    """
    layout = find_layout(name, root, folders, split_file)
    path = layout.find(split_file) if split_file else None
    if path is not None:
        rows, where = read_split_file(path), f"{name} ({path})"
    elif index is None:
        raise DatasetError(
            f"{name}: split file is missing. It belongs at {layout.home / str(split_file)} "
            "(see the links in CoOp's DATASETS.md)."
        )
    else:
        rows, where = _from_index(layout, index), f"{name} ({layout.images})"
        _check_count(rows, n_classes, where)
    dataset = dataset_of_rows(
        name, layout.images, rows, where=where, template=template, n_classes=n_classes, downloaded=True
    )
    if not layout.note:
        return dataset
    log.warning("%s: %s", name, layout.note)
    return replace(dataset, notes=(*dataset.notes, layout.note))


def _from_index(layout: Layout, index: Callable[[Layout], SplitRows]) -> SplitRows:
    try:
        return index(layout)
    except DatasetError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{layout.name}: its lists at {layout.home} are not as they should be ({type(error).__name__}: {error}). "
            "Fetch them again."
        ) from error


def _check_count(rows: SplitRows, n_classes: int | None, where: str) -> None:
    found = len({row[1] for split in (rows.train, rows.val, rows.test) for row in split})
    if n_classes is not None and found != n_classes:
        raise DatasetError(
            f"{where}: {found} classes found, {n_classes} expected. Unpack the archive completely, "
            f"or set dataset.n_classes={found} to use them as they are."
        )
