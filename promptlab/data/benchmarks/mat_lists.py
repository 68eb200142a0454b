"""Datasets with official lists in MATLAB files: OxfordFlowers, StanfordCars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from promptlab.class_text.names_file import read_class_names
from promptlab.data.benchmarks.flower_names import FLOWER_NAMES
from promptlab.data.benchmarks.layout import Layout
from promptlab.data.benchmarks.rules import hold_out_val, split_each_class
from promptlab.data.readers.split_rows import SplitRows
from promptlab.support import reads
from promptlab.support.errors import DatasetError


def flower_labels(layout: Layout) -> SplitRows:
    """``imagelabels.mat``: labels from 1, by image. Each class is split 50/20/30.

    Names are those of ``cat_to_name.json`` where it is there. Classes are visited as the labels first show them.

    Example:
        >>> import tempfile
        >>> from scipy.io import savemat
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> savemat(base / "imagelabels.mat", {"labels": [1] * 10})
        >>> flower_labels(Layout("oxford_flowers", base / "jpg", base, (base,))).train[0]
        ('image_00007.jpg', 0, 'pink primrose')
    """
    given = layout.find("cat_to_name.json")
    names = dict(enumerate(FLOWER_NAMES)) if given is None else _names_of_numbers(given)
    classes: dict[int, list[tuple[str, int, str]]] = {}
    for position, number in enumerate(_array(layout.file("imagelabels.mat"), "labels").tolist()):
        row = (f"image_{position + 1:05d}.jpg", int(number) - 1, names[int(number) - 1])
        classes.setdefault(int(number), []).append(row)
    return split_each_class(classes.values())


def car_annotations(layout: Layout) -> SplitRows:
    """``devkit/cars_{train_annos,meta}.mat`` and ``cars_test_annos_withlabels.mat``: file, label from 1.

    The year goes first: ``Audi TT RS Coupe 2012`` is the class ``2012 Audi TT RS Coupe``.

    Example:
        >>> car_annotations(Layout("stanford_cars", Path("cars"), Path("cars"), (Path("cars"),)))
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: stanford_cars: devkit/cars_meta.mat is missing. It belongs at ...
    """
    names = [_year_first(str(name)) for name in _array(layout.file("devkit/cars_meta.mat"), "class_names")]

    def rows(path: Path, folder: str) -> list[tuple[str, int, str]]:
        pairs = ((str(car["fname"]), int(car["class"]) - 1) for car in _array(path, "annotations"))
        return [(f"{folder}/{image}", label, names[label]) for image, label in pairs]

    test = "cars_test_annos_withlabels.mat"
    return hold_out_val(
        rows(layout.file("devkit/cars_train_annos.mat"), "cars_train"),
        rows(layout.file(test, f"devkit/{test}"), "cars_test"),
    )


def _array(path: Path, key: str) -> Any:
    reads.note(path)
    try:
        return np.atleast_1d(loadmat(path, squeeze_me=True)[key])
    except Exception as error:  # scipy's reader raises many kinds
        raise DatasetError(f"{path} can't be read ({type(error).__name__}: {error}). Fetch it again.") from error


def _names_of_numbers(path: Path) -> dict[int, str]:
    try:
        names = read_class_names(path)
    except DatasetError as error:
        raise ValueError(str(error)) from error
    if not isinstance(names, dict):
        raise ValueError(f"{path}: an object of number to name is needed")
    return {int(number) - 1: name for number, name in names.items()}


def _year_first(name: str) -> str:
    *words, year = name.split(" ")
    return " ".join([year, *words])
