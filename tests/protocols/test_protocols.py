"""What trains and what is scored."""

from dataclasses import replace

import numpy as np
import pytest

from promptlab.data.readers.split_file import read_coop_split
from promptlab.data.sampling import sample_few_shot
from promptlab.demo.datasets import demo_dataset
from promptlab.protocols import base_to_new, few_shot
from promptlab.support.errors import DatasetError
from tests.helpers.golden import shared
from tests.helpers.tasks import some_classes


@pytest.fixture
def dataset():
    return demo_dataset("demo_shapes")


def test_few_shot_trains_and_scores_all_classes(dataset):
    task = few_shot(dataset, shots=4, seed=2, val="few")
    train, val = sample_few_shot(dataset.train.labels, dataset.val.labels, shots=4, seed=2)
    assert task.train.content_ids() == dataset.train.take(train).content_ids()
    assert task.val.content_ids() == dataset.val.take(val).content_ids()
    assert task.class_names == dataset.class_names
    (test,) = task.evaluations
    assert test.items is dataset.test
    assert test.known == tuple(range(24))
    assert task.harmonic is None


def test_base_to_new_halves_one_draw(dataset):
    task, whole = base_to_new(dataset, shots=4, seed=2), few_shot(dataset, shots=4, seed=2)
    base, new = task.evaluations
    assert set(task.train.content_ids()) == {
        content for content, label in zip(whole.train.content_ids(), whole.train.labels, strict=True) if label < 12
    }
    assert base.class_names + new.class_names == dataset.class_names
    assert (base.known, new.known) == (tuple(range(12)), tuple(range(12, 24)))
    assert set(new.items.labels) == set(range(12))
    assert task.has_images == (True,) * 12 + (False,) * 12
    assert set(task.val.labels) == set(range(12))
    assert task.harmonic == ("base", "new")


def test_an_odd_class_is_base():
    eleven = some_classes(demo_dataset("demo_shapes"), range(11))
    base, new = base_to_new(eleven, shots=1, seed=1).evaluations
    assert (len(base.class_names), len(new.class_names)) == (6, 5)


@pytest.mark.parametrize(("val", "expected"), [("few", 4 * 24), ("full", 16 * 24), ("none", None)])
def test_validation_images(dataset, val, expected):
    task = few_shot(dataset, shots=8, seed=1, val=val)
    assert (None if task.val is None else len(task.val)) == expected


def test_all_shots(dataset):
    assert len(few_shot(dataset, shots="all", seed=1).train) == len(dataset.train)


def test_classes_with_fewer_images_than_shots_are_noted(dataset):
    task = few_shot(dataset, shots=40, seed=1)
    assert len(task.train) == len(dataset.train)
    assert any("fewer than 40 training images" in note for note in task.notes)


def test_bad_choices_are_named(dataset):
    with pytest.raises(ValueError, match="few, shots, full, none"):
        few_shot(dataset, shots=1, seed=1, val="some")
    with pytest.raises(ValueError, match="shots"):
        few_shot(dataset, shots=0, seed=1)
    with pytest.raises(DatasetError, match="at least two classes"):
        base_to_new(some_classes(dataset, range(1)), shots=1, seed=1)


@pytest.mark.parametrize(
    ("folder", "split", "images", "counts"),
    [
        ("eurosat", "split_zhou_EuroSAT.json", "2750", (5, 5, 4200, 3900)),
        ("caltech-101", "split_zhou_Caltech101.json", "101_ObjectCategories", (50, 50, 1549, 916)),
    ],
)
def test_base_and_new_of_the_benchmarks(folder, split, images, counts):
    """P13: the counts of the benchmark."""
    root = shared("data", folder).parent
    dataset = read_coop_split(folder, root, folder=folder, split_file=split, image_folder=images)
    base, new = base_to_new(dataset, shots=16, seed=1).evaluations
    assert (len(base.class_names), len(new.class_names), len(base.items), len(new.items)) == counts


def test_validation_of_as_many_images_as_train_and_other_papers_draws():
    data = demo_dataset("demo_textures")
    task = few_shot(data, shots=6, seed=1, val="shots")
    assert np.bincount(task.val.labels).tolist() == [6] * len(data.class_names)
    assert np.bincount(few_shot(data, shots=6, seed=1).val.labels).tolist() == [4] * len(data.class_names)
    assert few_shot(data, shots=6, seed=1).train.content_ids() == task.train.content_ids()
    for protocol in (few_shot, base_to_new):
        first = protocol(data, shots=2, seed=1, rule="validation_first")
        assert first.train.content_ids() != protocol(data, shots=2, seed=1).train.content_ids()
        assert "draw: validation_first, not CoOp's" in first.notes
    short = replace(data, train=data.train.take(range(0, len(data.train), 4)))
    noted = " ".join(few_shot(short, shots=20, seed=1, rule="repeated").notes)
    assert "are filled up with repetition" in noted


@pytest.mark.parametrize("rule", ["validation_first", "repeated"])
def test_where_validation_is_test_other_papers_validate_on_training_images(rule):
    data = demo_dataset("demo_textures")
    tested = replace(data, val=data.test, val_is_test=True)
    task = few_shot(tested, shots=2, seed=1, val="shots", rule=rule)
    assert np.bincount(task.val.labels).tolist() == [2] * len(data.class_names)
    drawn = {*task.train.content_ids()}, {*task.val.content_ids()}
    assert drawn[0] | drawn[1] <= {*data.train.content_ids()}
    assert not drawn[0] & drawn[1]
    assert f"draw: {rule}, not CoOp's, validation images from the training images" in task.notes
    assert few_shot(tested, shots=2, seed=1, val="none", rule=rule).val is None
    assert {*few_shot(tested, shots=2, seed=1).val.content_ids()} <= {*data.test.content_ids()}  # CoOp's rule
