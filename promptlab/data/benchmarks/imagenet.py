"""ImageNet and its four test sets: a folder per WordNet id, names in CoOp's ``classnames.txt``.

The ids are the datasets' ``class_keys``: names can't match them, as two classes are ``missile`` and two ``sunglasses``.
"""

from __future__ import annotations

from pathlib import Path

from promptlab.data.benchmarks.layout import Layout, image_names, subfolders
from promptlab.data.benchmarks.text_lists import columns
from promptlab.data.readers.split_rows import SplitRows
from promptlab.support.errors import DatasetError

Row = tuple[str, int, str]
TEST_ONLY = "the folders' test images"


def imagenet_folders(layout: Layout) -> SplitRows:
    r"""``train`` and ``val``; labels follow the sorted folders of ``train``; ``val`` is validation and test at once.

    CoOp draws its shots from ``os.listdir``, whose order differs between machines. Files are sorted here: the same
    draw everywhere, but nobody's of before.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> for name in ("train/n01440764/1.JPEG", "val/n01440764/2.JPEG"):
        ...     (base / name).parent.mkdir(parents=True)
        ...     (base / name).touch()
        >>> _ = (base / "classnames.txt").write_text("n01440764 tench\n")
        >>> rows = imagenet_folders(Layout("imagenet", base, base, (base,)))
        >>> rows.train, rows.val == rows.test
        ([('train/n01440764/1.JPEG', 0, 'tench')], True)
    """
    names = _class_names(layout)
    folders = subfolders(layout.images / "train")
    known = set(folders)
    extra = [folder for folder in subfolders(layout.images / "val") if folder not in known]
    if extra:
        raise DatasetError(f"{layout.images / 'val'}: {len(extra)} folders are not in train, the first is {extra[0]}")
    lists = [_rows(layout, names, folders, prefix) for prefix in ("train/", "val/")]
    source = "ImageNet's folders, val as validation and test; files sorted (CoOp's draw follows an unsorted listing)"
    return SplitRows(lists[0], lists[1], lists[1], source=source, class_keys=tuple(folders))


def wnid_folders(layout: Layout) -> SplitRows:
    r"""ImageNet-Sketch, -A and -R: labels follow the sorted folders, so that -A and -R have the 200 that are there.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> (base / "n01440764").mkdir()
        >>> (base / "n01440764" / "1.JPEG").touch()
        >>> _ = (base / "classnames.txt").write_text("n01440764 tench\n")
        >>> wnid_folders(Layout("imagenet_r", base, base, (base,))).test
        [('n01440764/1.JPEG', 0, 'tench')]
    """
    folders = subfolders(layout.images)
    return _test_only(_rows(layout, _class_names(layout), folders), folders)


def numbered_folders(layout: Layout) -> SplitRows:
    r"""ImageNetV2: folders are labels, ``0`` to ``999`` in the order of the WordNet ids; label 10 comes after 9.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> base = Path(folder.name)
        >>> (base / "0").mkdir()
        >>> (base / "0" / "1.jpeg").touch()
        >>> _ = (base / "classnames.txt").write_text("n01440764 tench\n")
        >>> numbered_folders(Layout("imagenetv2", base, base, (base,))).test
        [('0/1.jpeg', 0, 'tench')]
    """
    names = sorted(_class_names(layout).items())
    folders = sorted(subfolders(layout.images), key=int)
    labels = [int(folder) for folder in folders]
    if labels[-1] >= len(names):
        raise DatasetError(f"{layout.images}: folder {folders[-1]} has no line in classnames.txt ({len(names)} lines)")
    rows = [
        (f"{folder}/{image}", label, names[label][1])
        for folder, label in zip(folders, labels, strict=True)
        for image in image_names(layout.images / folder)
    ]
    return _test_only(rows, [names[label][0] for label in labels])


def _class_names(layout: Layout) -> dict[str, str]:
    """Names by WordNet id, in the file's order; ImageNet's own file serves the test sets too."""
    return {wnid: name for wnid, name in columns(layout.file("classnames.txt", "imagenet/classnames.txt"), 2)}


def _rows(layout: Layout, names: dict[str, str], folders: list[str], prefix: str = "") -> list[Row]:
    nameless = [folder for folder in folders if folder not in names]
    if nameless:
        raise DatasetError(f"{layout.name}: classnames.txt has no name for folder {nameless[0]} of {layout.images}")
    rows: list[Row] = []
    for label, folder in enumerate(folders):
        path, name = Path(layout.images, prefix, folder), names[folder]
        images = image_names(path) if path.is_dir() else []
        rows += [(f"{prefix}{folder}/{image}", label, name) for image in images]
    return rows


def _test_only(rows: list[Row], wnids: list[str]) -> SplitRows:
    return SplitRows((), (), rows, source=TEST_ONLY, test_only=True, class_keys=tuple(wnids))
