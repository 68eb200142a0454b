"""Datasets that are one folder per class: Caltech101, DTD, EuroSAT, Food101."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from promptlab.data.benchmarks.layout import Layout, image_names, subfolders
from promptlab.data.benchmarks.rules import split_each_class
from promptlab.data.datasets_folder import what_lies_in
from promptlab.data.readers.split_rows import SplitRows
from promptlab.support.errors import DatasetError


def class_folders(
    layout: Layout, *, ignored: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> SplitRows:
    """Split each folder 50/20/30; labels follow the sorted folder names.

    Args:
        layout: the dataset.
        ignored: folders that are no classes.
        renamed: class names by folder, where they differ.

    Raises:
        DatasetError: if there are no folders, or one has too few images.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> (base / "banded").mkdir()
        >>> for number in range(10):
        ...     (base / "banded" / f"{number}.jpg").touch()
        >>> rows = class_folders(Layout("dtd", base, base, (base,)))
        >>> len(rows.train), len(rows.val), len(rows.test)
        (5, 2, 3)
    """
    names = renamed or {}
    folders = [folder for folder in subfolders(layout.images) if folder not in ignored]
    images = {folder: image_names(layout.images / folder) for folder in folders}
    for folder in folders:
        if not images[folder]:
            raise DatasetError(
                f"{layout.name}: a class's folder holds no images: {what_lies_in(layout.images / folder)}. Folders of "
                f"classes, with the images in them, belong into {layout.images}."
            )
    return split_each_class(
        [(f"{folder}/{image}", label, names.get(folder, folder)) for image in images[folder]]
        for label, folder in enumerate(folders)
    )
