"""Datasets with official lists in text files: OxfordPets, FGVCAircraft, SUN397, UCF101."""

from __future__ import annotations

import re
from pathlib import Path

from promptlab.data.benchmarks.layout import Layout
from promptlab.data.benchmarks.rules import hold_out_val
from promptlab.data.readers.split_rows import SplitRows
from promptlab.support.errors import DatasetError
from promptlab.support.texts import text_lines

Row = tuple[str, int, str]


def pet_annotations(layout: Layout) -> SplitRows:
    r"""``annotations/trainval.txt`` and ``test.txt``: image, breed's number from 1, species, number in the species.

    The breed's name is the image's without its number, in lower case.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> (base / "annotations").mkdir()
        >>> listed = "".join(f"Birman_{number} 1 1 1\n" for number in range(5))
        >>> for name in ("trainval.txt", "test.txt"):
        ...     _ = (base / "annotations" / name).write_text(listed)
        >>> rows = pet_annotations(Layout("oxford_pets", base, base, (base,)))
        >>> len(rows.train), len(rows.val), rows.test[0]
        (4, 1, ('Birman_0.jpg', 0, 'birman'))
    """

    def rows(path: Path) -> list[Row]:
        table = columns(path, 4)
        return [(f"{image}.jpg", int(label) - 1, image.rpartition("_")[0].lower()) for image, label, *_ in table]

    return hold_out_val(rows(layout.file("annotations/trainval.txt")), rows(layout.file("annotations/test.txt")))


def aircraft_variants(layout: Layout) -> SplitRows:
    r"""``images_variant_{train,val,test}.txt``: image, variant; labels follow ``variants.txt``.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> _ = (base / "variants.txt").write_text("707-320\nBoeing 717\n")
        >>> for split in ("train", "val", "test"):
        ...     _ = (base / f"images_variant_{split}.txt").write_text("0034309 Boeing 717\n")
        >>> aircraft_variants(Layout("fgvc_aircraft", base, base, (base,))).train
        [('0034309.jpg', 1, 'Boeing 717')]
    """
    labels = {variant: label for label, variant in enumerate(text_lines(layout.file("variants.txt")))}

    def rows(split: str) -> list[Row]:
        table = columns(layout.file(f"images_variant_{split}.txt"), 2)
        return [(f"{image}.jpg", labels[variant], variant) for image, variant in table]

    return SplitRows(rows("train"), rows("val"), rows("test"), source="official (images_variant_*.txt)")


def sun_partitions(layout: Layout) -> SplitRows:
    r"""``Training_01.txt`` and ``Testing_01.txt``: ``/a/apartment_building/outdoor/sun_x.jpg``; see ``ClassName.txt``.

    Parts of the name are reversed, so that it reads ``outdoor apartment_building``.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> _ = (base / "ClassName.txt").write_text("/a/apartment_building/outdoor\n")
        >>> for name in ("Training_01.txt", "Testing_01.txt"):
        ...     _ = (base / name).write_text("/a/apartment_building/outdoor/sun_x.jpg\n" * 5)
        >>> sun_partitions(Layout("sun397", base, base, (base,))).test[0]
        ('a/apartment_building/outdoor/sun_x.jpg', 0, 'outdoor apartment_building')
    """
    folders = [line.lstrip("/") for line in text_lines(_partition(layout, "ClassName.txt"))]
    labels = {folder: label for label, folder in enumerate(folders)}

    def rows(path: Path) -> list[Row]:
        split = (line.lstrip("/").rpartition("/") for line in text_lines(path))
        return [
            (f"{folder}/{image}", labels[folder], " ".join(reversed(folder.split("/")[1:])))
            for folder, _, image in split
        ]

    return hold_out_val(rows(_partition(layout, "Training_01.txt")), rows(_partition(layout, "Testing_01.txt")))


def ucf_lists(layout: Layout) -> SplitRows:
    r"""``ucfTrainTestlist/{trainlist01,testlist01}.txt``: videos, of which the middle frames are the images.

    ``ApplyEyeMakeup`` is the class ``Apply_Eye_Makeup``, in the folder of that name.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> (base / "ucfTrainTestlist").mkdir()
        >>> _ = (base / "ucfTrainTestlist" / "classInd.txt").write_text("1 YoYo\n")
        >>> for name in ("trainlist01.txt", "testlist01.txt"):
        ...     _ = (base / "ucfTrainTestlist" / name).write_text("YoYo/v_YoYo_g01_c01.avi 1\n" * 5)
        >>> ucf_lists(Layout("ucf101", base, base, (base,))).test[0]
        ('Yo_Yo/v_YoYo_g01_c01.jpg', 0, 'Yo_Yo')
    """
    table = columns(layout.file("ucfTrainTestlist/classInd.txt"), 2)
    labels = {action: int(number) - 1 for number, action in table}

    def rows(path: Path) -> list[Row]:
        videos = (line.split()[0].split("/") for line in text_lines(path))
        return [_frame(action, video, labels[action]) for action, video in videos]

    trainval, test = (layout.file(f"ucfTrainTestlist/{split}list01.txt") for split in ("train", "test"))
    return hold_out_val(rows(trainval), rows(test))


def columns(path: Path, count: int) -> list[list[str]]:
    """The lines of a text file, each split at spaces; the last column takes the rest of the line.

    Raises:
        DatasetError: if a line has too few columns.
    """
    table = [line.split(maxsplit=count - 1) for line in text_lines(path)]
    for position, row in enumerate(table):
        if len(row) != count:
            raise DatasetError(f"{path}: line {position + 1} ({' '.join(row)!r}) should have {count} columns")
    return table


def _partition(layout: Layout, name: str) -> Path:
    return layout.file(name, f"Partitions/{name}")


def _frame(action: str, video: str, label: int) -> Row:
    name = "_".join(re.findall("[A-Z][^A-Z]*", action))
    return f"{name}/{video.removesuffix('.avi')}.jpg", label, name
