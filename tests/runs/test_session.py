"""Backbones and datasets are kept between runs, and never mistaken for each other."""

import numpy as np
import pytest

from promptlab.config.choice import Choice
from promptlab.data import read_csv, read_features
from promptlab.demo import demo_dataset
from promptlab.runs import session
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import write_pictures


def test_equal_choices_are_opened_once():
    choices = [Choice(demo_dataset, {"name": "demo_textures"}) for _ in range(2)]
    assert session.dataset(choices[0]) is session.dataset(choices[1])


def test_two_functions_of_one_name_are_two_datasets():
    shapes, textures = (Choice(lambda name=name: demo_dataset(name)) for name in ("demo_shapes", "demo_textures"))
    assert session.dataset(shapes).name == "demo_shapes"
    assert session.dataset(textures).name == "demo_textures"


def test_arguments_that_are_no_plain_values_are_not_kept():
    made = []
    choice = Choice(lambda values: made.append(values) or demo_dataset("demo_textures"), {"values": object()})
    session.dataset(choice)
    session.dataset(choice)
    assert len(made) == 2


def test_what_was_made_of_files_is_made_anew_once_one_has_changed(tmp_path):
    write_pictures(tmp_path / "cat", 2)
    write_pictures(tmp_path / "dog", 2, seed=9)
    splits = list(enumerate(("train", "test")))
    rows = [f"{kind}/image_000{n}.png,{kind},{split}" for kind in ("cat", "dog") for n, split in splits]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    (tmp_path / "names.txt").write_text("tabby\nhound\n")
    files = {"path": str(tmp_path / "list.csv"), "class_names": str(tmp_path / "names.txt")}
    choice = Choice(read_csv, {"name": "mine", "validate": False, **files})
    first = session.dataset(choice)
    assert session.dataset(choice) is first
    (tmp_path / "names.txt").write_text("kitty\nhound\n")
    second = session.dataset(choice)
    assert (first.class_names, second.class_names) == (("tabby", "hound"), ("kitty", "hound"))
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows[:-1], rows[0].replace("train", "test")]))
    with pytest.raises(DatasetError, match="listed twice"):
        session.dataset(choice)


def test_features_that_changed_are_read_again(tmp_path):
    file = str(tmp_path / "f.npz")
    for value in (1.0, 2.0):
        features = np.array([[value, 1.0], [1.0, 3.0]], dtype=np.float32)
        np.savez(file, features=features, labels=np.arange(2), class_names=["cat", "dog"])
        data = session.dataset(Choice(read_features, {"train": file, "test": file}))
        assert float(data.train.source.features[0, 0]) == pytest.approx(value / np.hypot(value, 1))
