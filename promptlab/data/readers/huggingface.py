"""Images in a Hugging Face ``datasets`` table: a folder that ``save_to_disk`` wrote, or an id on the hub.

Needs the extra ``promptlab-clip[hf]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from promptlab.class_text.names import ClassNames
from promptlab.class_text.templates import DEFAULT_TEMPLATE, template_of
from promptlab.data.amounts import GreyBits, MaxPixels, Seed
from promptlab.data.checks.decoding import Look, look_anew
from promptlab.data.checks.image_files import bad_left_out
from promptlab.data.checks.labels import check_labels
from promptlab.data.checks.names import with_names_noted
from promptlab.data.checks.problems import PROBLEMS_LISTED, noted, refuse
from promptlab.data.checks.validate import copies_in
from promptlab.data.hashing import ID_DIGITS
from promptlab.data.items import SPLITS, Dataset, Items
from promptlab.data.pictures.reading import MAX_PIXELS, Reading
from promptlab.data.readers.default_name import own_name
from promptlab.data.readers.labelled_paths import drawn_lists
from promptlab.data.readers.labelled_tables import LabelledTables, Wanted, labelled_tables
from promptlab.data.readers.repeated_rows import without_repeated_rows
from promptlab.data.readers.tested import Test, with_test
from promptlab.data.sources.tables import TableImages
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import shortened


@checked(leaving=("name", "path", "class_names", "template"))
def read_hf(
    name: str,
    path: str | None,
    *,
    subset: str | None = None,
    revision: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    train_split: str | None = None,
    val_split: str | None = None,
    test_split: str | None = None,
    class_names: ClassNames | None = None,
    test: Test | None = None,
    template: str = DEFAULT_TEMPLATE,
    split_seed: Seed = 1,
    validate: bool = True,
    exif: bool = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    grey_bits: GreyBits | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a Hugging Face dataset.

    Args:
        name: what a Result calls the dataset; ``hf``, as in the configuration, stands for the last part of ``path``.
        path: a folder that ``save_to_disk`` wrote, or what ``datasets.load_dataset`` takes, such as an id on the hub.
        subset: which of the hub dataset's configurations.
        revision: a tag or commit of the hub's repository.
        image_column: the images; the only column of that kind if None.
        label_column: the labels; the only column of class labels, or ``label``, if None.
        train_split: name of the training split; ``train`` if None.
        val_split: likewise; ``validation``, ``val``, ``valid`` or ``dev`` where there is one.
        test_split: likewise; ``test``. With neither of the two, both are drawn from the training split.
        class_names: names in label order, or of some labels, or a text file with either.
        test: ``all`` images are tested and none trains, or ``none`` is tested, or those of ``val`` are; those of the
            test split, or the draw's, if None.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        split_seed: of the draw: 50 % train, 20 % val, 30 % test of each class.
        validate: decode every image before it is first used and compare contents; false for tables too large for that.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: if ``datasets`` is not installed, or splits, columns, labels or images are not as they should be.

    Example:
        >>> read_hf("pets", None)
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: dataset pets needs a folder of save_to_disk, or an id on the hub: ...
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    if not path:
        raise DatasetError(f"dataset {name} needs a folder of save_to_disk, or an id on the hub: set dataset.path=...")
    name = own_name(name, "hf", path)
    where = f"dataset {name} ({path})"
    given = {"train": train_split, "val": val_split, "test": test_split}
    wanted = Wanted(given, image_column, label_column, class_names, test)
    tables = labelled_tables(path, subset, revision, wanted, where)
    source = TableImages(tables.encoded, tables.image_column, reading)
    look = look_anew(source, range(len(source))) if validate or skip_bad else Look({}, {})
    if not skip_bad:
        refuse(where, shortened(look.problems, PROBLEMS_LISTED))
    parts = _parts(tables, split_seed, where, bad=look.errors.keys())
    check_labels(
        {split: everything for split, (_, everything) in parts.items()},
        tables.names,
        where=where,
        test_only="train" not in tables.chosen,
        train_only=test is not None,
    )
    items = {split: Items(source, *part) for split, part in parts.items()}
    drawn = tables.chosen.keys() == {"train"}
    dataset = Dataset(
        name=name,
        class_names=tables.names,
        template=template_of(template),
        train=items["train"],
        val=items["val"],
        test=items["test"],
        split_source=f"drawn from {tables.chosen['train']} (split_seed={split_seed})" if drawn else f"hf ({path})",
        split_hash=_split_hash(tables.names, items),
        drawn=drawn,
        val_is_test=tables.chosen.get("val") is not None and tables.chosen.get("val") == tables.chosen.get("test"),
        class_origins=tables.keys,
    )
    left_out = tuple(f"{source.describe(i)} ({getattr(e, 'reason', e)})" for i, e in sorted(look.errors.items()))
    bad = [bad_left_out(left_out)] if left_out else []
    if validate:
        dataset = without_repeated_rows(dataset)
    dataset = noted(dataset, [*bad, *look.findings(source.describe), *(copies_in(dataset) if validate else ())])
    return with_test(with_names_noted(dataset), test)


def _parts(tables: LabelledTables, seed: int, where: str, bad: Collection[int]) -> dict[str, tuple[IntArray, IntArray]]:
    """Positions in the source and labels, by split, without bad positions."""
    chosen, labels = tables.chosen, tables.labels
    starts = dict(zip(labels, np.cumsum([0, *(len(column) for column in labels.values())]).tolist(), strict=False))
    if chosen.keys() != {"train"}:
        empty = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        whole = {}
        for name, column in labels.items():
            positions = starts[name] + np.arange(len(column))
            good = ~np.isin(positions, list(bad))
            whole[name] = positions[good], column[good]
        return {split: whole[chosen[split]] if split in chosen else empty for split in SPLITS}
    column = labels[chosen["train"]]
    problems: list[str] = []
    pairs = [(str(position), str(label)) for position, label in enumerate(column.tolist()) if position not in bad]
    lists = drawn_lists(pairs, seed, problems)
    refuse(where, problems)
    rows = {split: np.array([int(path) for path, _ in lists[split]], dtype=np.int64) for split in SPLITS}
    return {split: (positions, column[positions]) for split, positions in rows.items()}


def _split_hash(names: Sequence[str], items: Mapping[str, Items]) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for split in SPLITS:
        digest.update(split.encode() + items[split].indices.tobytes() + items[split].labels.tobytes())
    return digest.hexdigest()[:ID_DIGITS]
