"""A folder of one's own images: a folder per class, split by folders above them or by a draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from promptlab.class_text.names import ClassNames, in_label_order
from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.amounts import GreyBits, MaxPixels, Seed
from promptlab.data.checks.image_files import without_bad
from promptlab.data.checks.problems import Finding
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.pictures.formats import IMAGE_SUFFIXES
from promptlab.data.pictures.reading import MAX_PIXELS, Reading
from promptlab.data.readers.default_name import own_name
from promptlab.data.readers.folder_layout import Classes, Layout, layout_of
from promptlab.data.readers.folder_tree import Folder, read_tree
from promptlab.data.readers.labelled_paths import (
    dataset_of_lists,
    drawn_lists,
    given_path,
)
from promptlab.data.readers.tested import SAID_OF, Test
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import counted, printable, some_of


@checked(leaving=("name", "path", "class_names", "template"))
def read_folder(
    name: str | None = None,
    path: str | Path | None = None,
    *,
    class_names: ClassNames | None = None,
    classes: Classes | None = None,
    test: Test | None = None,
    template: str = DEFAULT_TEMPLATE,
    split_seed: Seed = 1,
    validate: bool = True,
    exif: bool = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    grey_bits: GreyBits | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a folder with one folder per class, or with such folders inside ``train``, ``test`` and perhaps ``val``.

    Classes are the folders in alphabetical order, or by number where all names are numbers, and their names are the
    folders' names. Split folders may also be called ``training_set``, ``TestImages`` and the like, or lie inside each
    class's folder; a folder that holds nothing but another is stepped into; images may lie in folders inside a class's
    folder. What isn't clear is asked for. Hidden files are passed over, as are links to folders that were read already;
    other files that are no images are reported in a warning.

    Args:
        name: what a Result calls the dataset; as its folder if None, or ``folder`` as in the configuration.
        path: the folder.
        class_names: names in the order of the folders, or of some folders, or a text file with either.
        classes: which folders are the classes where they lie inside each other: the ``outer`` ones, or the ``inner``
            ones, of which those of one name are one class, or each ``path`` of them.
        test: ``all`` images are tested and none trains, or ``none`` is tested and all of ``train`` can be learned from,
            or those of ``val`` are; the test folder's, or the draw's, if None.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        split_seed: of the draw where there are no split folders: 50 % train, 20 % val, 30 % test of each class.
        validate: look into every image before it is first used, and compare contents; false, for folders too large for
            that, only looks whether images are there.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: naming everything that is wrong: unreadable files, classes without images, unclear folders.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = tempfile.TemporaryDirectory()
        >>> for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        ...     Path(folder.name, name).parent.mkdir(exist_ok=True)
        ...     Image.new("RGB", (8, 8)).save(Path(folder.name, name))
        >>> data = read_folder("pets", folder.name, validate=False)
        >>> data.class_names, len(data.train), len(data.test)
        (('cat', 'dog'), 2, 2)
        >>> len(read_folder("pets", folder.name, test="all", validate=False).test)
        4
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    base = given_path(name or "folder", path, "a folder of images")
    name = own_name(name, "folder", base)
    if not base.is_dir():
        raise DatasetError(f"dataset {name}: {base} is a file; a folder of images is needed")
    tree, links = read_tree(base)
    found = layout_of(tree, str(base), classes=classes, test=test)
    keys = in_label_order({key for by_class in found.splits.values() for key in by_class})
    _require_classes(name, base, tree, found, keys)
    problems: list[str] = []
    pairs = {
        split: [(image, key) for key in keys if key in by_class for image in by_class[key].images]
        for split, by_class in found.splits.items()
    }
    left_out: list[Finding] = []
    if skip_bad:
        pairs, left_out = without_bad(base, pairs, reading)
    drawn = "" in pairs
    dataset = dataset_of_lists(
        name,
        base,
        drawn_lists(pairs[""], split_seed, problems) if drawn else {split: pairs.get(split, []) for split in SPLITS},
        keys=keys,
        class_names=class_names,
        template=template,
        source=f"drawn from folders (split_seed={split_seed})" if drawn else SAID_OF.get(test, "folders"),
        where=f"dataset {name} ({base})",
        problems=problems,
        validate=validate,
        notes=[printable(note) for note in (*found.notes, *_notes_of_links(links), *_notes_of_ignored(tree, found))],
        test=test,
        drawn=drawn,
        reading=reading,
        left_out=left_out,
    )
    return replace(dataset, class_origins=tuple(printable(", ".join(_origin(found, key))) for key in keys))


def _require_classes(name: str, base: Path, tree: Folder, found: Layout, keys: Sequence[str]) -> None:
    """There are folders of images; what is there in their place is said."""
    if not tree.holds_images():
        others = _notes_of_ignored(tree, found)
        said = f". {others[0][0].upper()}{others[0][1:]}; {', '.join(IMAGE_SUFFIXES)} are read" if others else ""
        raise DatasetError(f"dataset {name}: {base} holds no folders of images: one folder per class is needed{said}")
    if not keys:
        raise DatasetError(
            f"dataset {name}: {base} holds no folders of images, but {counted(len(tree.images), 'image')} "
            f"({some_of(tree.images, 2)}): one folder per class is needed, or a table that says what they show "
            "(dataset=csv)"
        )


def _origin(found: Layout, key: str) -> list[str]:
    """The folders that a class was read from, those of other splits only where they are spelled otherwise."""
    folders = [folder for by_class in found.splits.values() if key in by_class for folder in by_class[key].folders]
    names = [PurePosixPath(folder).name for folder in folders]
    several = any(len(by_class[key].folders) > 1 for by_class in found.splits.values() if key in by_class)
    return folders if several or len(set(names)) > 1 else folders[:1]


def _notes_of_links(links: Sequence[str]) -> list[str]:
    if not links:
        return []
    said = "1 link is" if len(links) == 1 else f"{len(links)} links are"
    return [f"{said} passed over, to folders that were read already or that hold this one: {some_of(links)}"]


def _notes_of_ignored(tree: Folder, found: Layout) -> list[str]:
    """What was left out, by kind and class."""
    classes = [(key, of) for by_class in found.splits.values() for key, of in by_class.items()]
    class_of = {folder: key for key, of in classes for folder in of.folders}
    used = {image for _, of in classes for image in of.images}
    images = [image for image in tree.all_images() if image not in used]
    ignored = sorted([*images, *(file for folder in tree.walk() for file in folder.others)])
    if not ignored:
        return []
    kinds: dict[str, Counter[str]] = {}
    for file in ignored:
        place = PurePosixPath(file)
        inside = next((class_of[str(parent)] for parent in place.parents if str(parent) in class_of), "no class")
        kinds.setdefault(place.suffix.lower() or "without ending", Counter())[inside] += 1
    one = len(ignored) == 1
    said = "1 file is ignored, which is no image" if one else f"{len(ignored)} files are ignored, which are no images"
    return [f"{said} or in no class's folder: {some_of(ignored)} ({_by_kind(kinds)})"]


def _by_kind(kinds: Mapping[str, Counter[str]]) -> str:
    """``3 .txt: cat 2, dog 1; 1 .md: no class``."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1].total(), item[0]))
    return "; ".join(
        f"{counts.total()} {kind}: {some_of([f'{key} {count}' for key, count in counts.most_common()])}"
        for kind, counts in ordered
    )
