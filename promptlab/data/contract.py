"""The tests that every dataset passes, for readers of promptlab and of others.

A plug-in inherits them in three lines::

    from promptlab.data.contract import DatasetContract

    class TestMine(DatasetContract):
        dataset = partial(read_mine, "pictures")

They need no pytest at run time: each is a method that raises AssertionError. ``dataset`` is what opens it.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from promptlab.data.items import SPLITS, Dataset, ImageSource, Items
from promptlab.data.sources.features import FeatureRows
from promptlab.results.store import safe_name
from promptlab.support.words import some_of

_ID = re.compile(r"[0-9a-f]{16,}")


class DatasetContract:
    """Labels, names, splits, images, content ids, the same order again, a way to loader processes.

    Attributes:
        dataset: opens the dataset; called several times.
        looked_at: images of each split that are opened, spread over it.
    """

    dataset: ClassVar[Callable[[], Dataset]]
    looked_at: ClassVar[int] = 8

    def open(self) -> Dataset:
        """The dataset, opened anew."""
        return type(self).dataset()  # of the class: a plain function would come with self otherwise

    def test_labels_index_the_class_names(self) -> None:
        """Labels are whole numbers from 0, below C, and every class has an image in some split.

        Why: column c of the logits is class c; a gap, or a label from 1, shifts every score without an error.
        """
        data, found = self.open(), set[int]()
        for split, items in _splits(data):
            assert np.issubdtype(items.labels.dtype, np.integer), f"labels of {split} are {items.labels.dtype}"
            wrong = items.labels[(items.labels < 0) | (items.labels >= len(data.class_names))].tolist()
            assert not wrong, f"{split} has label {wrong[0]}; there are classes 0 to {len(data.class_names) - 1}"
            found |= set(items.labels.tolist())
        empty = [name for label, name in enumerate(data.class_names) if label not in found]
        assert not empty, f"{len(empty)} classes have no image in any split: {some_of(empty)}"

    def test_names_are_words(self) -> None:
        """Class names are texts without blanks around them, and none is empty; so is the dataset's own, for a folder.

        Why: prompts are made of the names, and Results are filed under the dataset's.
        """
        data = self.open()
        assert data.class_names, "there are no classes"
        for label, name in enumerate(data.class_names):
            assert isinstance(name, str), f"the name of class {label} is a {type(name).__name__}"
            assert name, f"the name of class {label} is empty"
            assert name == name.strip(), f"the name of class {label} has blanks around it: {name!r}"
        assert _is_safe(data.name), f"{data.name!r} can't name a folder: letters, digits and _ . + - are allowed"
        keys = data.class_keys
        assert len(keys) in (0, len(data.class_names)), f"{len(keys)} class_keys for {len(data.class_names)} classes"
        origins = data.class_origins
        assert len(origins) in (0, len(keys or data.class_names)), (
            f"{len(origins)} class_origins, one per class is needed"
        )

    def test_the_template_has_a_place_for_the_name(self) -> None:
        """``template`` holds ``{}`` once.

        Why: without it every class has the same prompt.
        """
        template = self.open().template
        assert template.count("{}") == 1, f"the template {template!r} needs {{}} once, for the class name"

    def test_every_class_has_training_images(self) -> None:
        """Every class but those said to be ``unseen`` has training images, which have none; or there are none at all.

        Why: few-shot draws would leave a class out, and an unseen class that trains makes its score a lie.
        """
        data = self.open()
        trains, unseen = set(data.train.labels.tolist()), set(data.unseen)
        assert unseen <= set(range(len(data.class_names))), f"unseen={data.unseen} are not all labels of classes"
        seen_all_the_same = [data.class_names[label] for label in sorted(unseen & trains)]
        assert not seen_all_the_same, f"unseen classes have training images: {some_of(seen_all_the_same)}"
        left_out = [name for label, name in enumerate(data.class_names) if label not in trains | unseen]
        assert not (trains and left_out), f"no training images of {some_of(left_out)}: say so with unseen=..."

    def test_splits_share_no_image(self) -> None:
        """No test image is a training or validation image, by content, unless ``val_is_test`` says so of the latter.

        Why: a copy in the test list is scored after it was learned.
        """
        data = self.open()
        ids = {split: set(items.content_ids()) for split, items in _splits(data)}
        for one, other in (("train", "test"), ("train", "val"), ("val", "test")):
            shared = ids[one] & ids[other]
            if (one, other) == ("val", "test") and data.val_is_test:
                assert ids[one] == ids[other], "val_is_test is said, but the two lists hold other images"
                continue
            assert not shared, f"{len(shared)} images are in {one} and in {other}"

    def test_images_open_as_rgb(self) -> None:
        """An image opens as RGB and has a name for people; a row of features says that it is none.

        Why: the backbone's transform takes RGB, and messages about an image name it.
        """
        for split, source, index in self._some():
            named = source.describe(index)
            assert named, f"describe() has no name for image {index} of {split}"
            if isinstance(source, FeatureRows):
                continue
            image = source.open(index)
            assert image.mode == "RGB", f"{named} of {split} opens as {image.mode}"
            assert min(image.size) > 0, f"{named} of {split} has no pixels"

    def test_content_ids_follow_from_content(self) -> None:
        """An image has the same hexadecimal id whenever it is asked for, and images with equal ids are equal.

        Why: cached features are found by these ids.
        """
        seen: dict[str, bytes] = {}
        for split, source, index in self._some():
            (first,), again = source.content_ids([index]), source.content_ids(np.array([index, index]))
            named = source.describe(index)
            assert again == [first, first], f"the content id of {named} of {split} changes"
            assert _ID.fullmatch(first), f"{first!r} is no id: sixteen or more hexadecimal digits are needed"
            content = _content(source, index)
            assert seen.setdefault(first, content) == content, f"{named} of {split} has another image's content id"
        repeated = [split for split, items in _splits(self.open()) if len(items.content_ids()) != len(items)]
        assert not repeated, f"content_ids() of {repeated} gives another number of ids than there are images"

    def test_opening_again_gives_the_same(self) -> None:
        """Opened twice, a dataset has the same names, images, labels and order, and the same ``split_hash``.

        Why: few-shot draws follow the order of the lists, so a listing in the file system's order draws anew each time.
        """
        one, two = self.open(), self.open()
        assert one.class_names == two.class_names, "the class names change"
        assert one.split_source, "split_source is empty: a Result says by it where the split comes from"
        assert one.split_hash, "split_hash is empty: a Result tells splits apart by it"
        assert one.split_hash == two.split_hash, "split_hash changes"
        for (split, items), (_, other) in zip(_splits(one), _splits(two), strict=True):
            assert items.content_ids() == other.content_ids(), f"the images of {split}, or their order, change"
            assert np.array_equal(items.labels, other.labels), f"the labels of {split} change"

    def test_items_travel_to_loader_processes(self) -> None:
        """Pickled and back, items are the same images.

        Why: ``views=online`` opens images in processes of their own.
        """
        for split, items in _splits(self.open()):
            there = pickle.loads(_pickled(items, split))
            chosen = _spread(len(items), self.looked_at)
            assert there.take(chosen).content_ids() == items.take(chosen).content_ids(), f"{split} changes on its way"

    def _some(self) -> Iterator[tuple[str, ImageSource, int]]:
        """Split, source and index of the images that are looked at."""
        for split, items in _splits(self.open()):
            for index in items.indices[_spread(len(items), self.looked_at)].tolist():
                yield split, items.source, index


def _splits(data: Dataset) -> list[tuple[str, Items]]:
    return [(split, getattr(data, split)) for split in SPLITS]


def _spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` positions from first to last."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64)).tolist() if count else []


def _content(source: ImageSource, index: int) -> bytes:
    """What an image, or a row of features, consists of."""
    if isinstance(source, FeatureRows):
        return source.features[index].numpy().tobytes()
    image = source.open(index)
    return f"{image.mode} {image.size}".encode() + image.tobytes()


def _pickled(items: Items, split: str) -> bytes:
    try:
        return pickle.dumps(items)
    except Exception as error:  # whatever the source holds
        raise AssertionError(f"the source of {split} can't be pickled: {error}") from error


def _is_safe(name: str) -> bool:
    try:
        return safe_name(name) == name
    except ValueError:
        return False
