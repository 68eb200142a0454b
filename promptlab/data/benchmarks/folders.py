"""Datasets that are one folder per class: Caltech101, DTD, EuroSAT, Food101."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from promptlab.data.benchmarks.place import Place, image_names, subfolders
from promptlab.data.benchmarks.rules import split_each_class
from promptlab.data.readers.rows import SplitRows


def class_folders(
    place: Place, *, ignored: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> SplitRows:
    """Split each folder 50/20/30; labels follow the sorted folder names.

    Args:
        place: the dataset.
        ignored: folders that are no classes.
        renamed: class names by folder, where they differ.

    Raises:
        DatasetError: if there are no folders, or one has too few images.
    """
    names = renamed or {}
    folders = [folder for folder in subfolders(place.images) if folder not in ignored]
    return split_each_class(
        [(f"{folder}/{image}", label, names.get(folder, folder)) for image in image_names(place.images / folder)]
        for label, folder in enumerate(folders)
    )
