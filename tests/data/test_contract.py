"""Every dataset passes the contract, and the contract catches what it says it catches."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from promptlab.data.contract import DatasetContract
from promptlab.data.items import Items
from promptlab.demo.datasets import demo_dataset
from tests.helpers import every_dataset

TESTS = [name for name in vars(DatasetContract) if name.startswith("test_")]


def contract(opens):
    return type("Check", (DatasetContract,), {"dataset": staticmethod(opens)})()


@pytest.mark.parametrize("name", every_dataset.names())
def test_every_dataset_passes(name, tmp_path):
    """One that is new needs an entry in tests/helpers/every_dataset.py."""
    check = contract(every_dataset.opener(name, tmp_path))
    for test in TESTS:
        getattr(check, test)()


def test_a_function_is_called_as_it_is():
    class Check(DatasetContract):
        dataset = partial(demo_dataset, "demo_textures")

    class Plain(DatasetContract):
        def dataset():
            return demo_dataset("demo_textures")

    assert len(Check().open().class_names) == len(Plain().open().class_names) == 12


class Source:
    """Pictures that break what a test names."""

    def __init__(self, fault, opened=0):
        self.fault, self.opened, self.asked = fault, opened, 0
        if fault == "closures":
            self.open_it = lambda: None

    def __len__(self):
        return 300

    def open(self, index):
        return Image.new("L" if self.fault == "grey" else "RGB", (4, 4), index % 250)

    def describe(self, index):
        return "" if self.fault == "nameless" else f"picture {index}"

    def content_ids(self, indices):
        self.asked += 1
        shift = {"ids change": self.asked, "another order": self.opened}.get(self.fault, 0)
        ids = [f"{int(index) + shift:032x}" for index in indices]
        return {"same id": ["0" * 32] * len(ids), "odd ids": [f"image {i}" for i in ids]}.get(self.fault, ids)


def broken(fault, opened):
    """A dataset of three classes with something wrong."""
    opened.append(fault)
    source, labels = Source(fault, len(opened)), np.repeat(np.arange(3), 3)
    train, val, test = (Items(source, 20 * place + np.arange(9), labels) for place in range(3))
    data = replace(demo_dataset("demo_textures"), class_names=("a", "b", "c"), train=train, val=val, test=test)
    changes = {
        "labels from one": {"train": Items(source, train.indices, labels + 1)},
        "a class too many": {"class_names": ("a", "b", "c", "d")},
        "an empty name": {"class_names": ("a", "", "c")},
        "blanks": {"class_names": ("a", "b ", "c")},
        "a path for a name": {"name": "my/own"},
        "keys": {"class_keys": ("n1",)},
        "template": {"template": "a photo."},
        "a class that doesn't train": {"train": train.only([0, 1])},
        "an unseen class that trains": {"unseen": (2,)},
        "copies": {"test": train},
        "val_is_test": {"val_is_test": True},
        "no hash": {"split_hash": ""},
        "another hash": {"split_hash": str(len(opened))},
    }
    return replace(data, **changes.get(fault, {}))


@pytest.mark.parametrize(
    ("fault", "test", "message"),
    [
        ("labels from one", "labels_index_the_class_names", "train has label 3; there are classes 0 to 2"),
        ("a class too many", "labels_index_the_class_names", "1 class has no image in any split: d"),
        ("an empty name", "names_are_words", "the name of class 1 is empty"),
        ("blanks", "names_are_words", "blanks around it: 'b '"),
        ("a path for a name", "names_are_words", "'my/own' can't name a folder"),
        ("keys", "names_are_words", "1 class_keys for 3 classes"),
        ("template", "the_template_has_a_place_for_the_name", "needs {} once"),
        ("a class that doesn't train", "every_class_has_training_images", "no training images of c"),
        ("an unseen class that trains", "every_class_has_training_images", "unseen classes have training images: c"),
        ("copies", "splits_share_no_image", "9 images are in train and in test"),
        ("val_is_test", "splits_share_no_image", "val_is_test is said, but"),
        ("grey", "images_open_as_rgb", "picture 0 of train opens as L"),
        ("nameless", "images_open_as_rgb", "no name for image 0 of train"),
        ("ids change", "content_ids_follow_from_content", "the content id of picture 0 of train changes"),
        ("odd ids", "content_ids_follow_from_content", "hexadecimal digits are needed"),
        ("same id", "content_ids_follow_from_content", "another image's content id"),
        ("no hash", "opening_again_gives_the_same", "split_hash is empty"),
        ("another hash", "opening_again_gives_the_same", "split_hash changes"),
        ("another order", "opening_again_gives_the_same", "the images of train, or their order, change"),
        ("closures", "items_travel_to_loader_processes", "can't be pickled"),
    ],
)
def test_the_contract_catches(fault, test, message):
    with pytest.raises(AssertionError) as caught:
        getattr(contract(partial(broken, fault, [])), f"test_{test}")()
    assert message in str(caught.value)


def test_nothing_is_wrong_with_what_the_faults_are_made_of():
    for test in TESTS:
        getattr(contract(partial(broken, "", [])), test)()
