"""What is known, what is near and what is far."""

from dataclasses import replace

import pytest

from promptlab.demo import demo_dataset
from promptlab.protocols import base_to_new, open_world
from promptlab.protocols.contract import miniature
from promptlab.support.errors import DatasetError


def test_it_trains_as_base_to_new_does_and_asks_more():
    data = miniature("mine")
    task, halves = open_world(data, shots=2, seed=1), base_to_new(data, shots=2, seed=1)
    assert task.train.content_ids() == halves.train.content_ids()
    for mine, theirs in zip(task.evaluations, halves.evaluations, strict=False):
        assert (mine.name, mine.known, mine.class_names) == (theirs.name, theirs.known, theirs.class_names)
        assert mine.items.content_ids() == theirs.items.content_ids()
    assert task.harmonic == halves.harmonic
    joint = task.evaluations[2]
    assert (joint.name, joint.items, joint.class_names) == ("joint", data.test, data.class_names)
    (near,) = task.open_world.unknowns
    assert near.items.content_ids() == halves.evaluations[1].items.content_ids()
    assert (task.open_world.known, task.open_world.new) == ("base", "new")


def test_far_images_of_a_base_class_are_no_unknowns():
    data, other = miniature("mine"), miniature("other")
    renamed = replace(other, class_names=("Red_Star", *(f"other {i}" for i in range(6))))
    task = open_world(data, targets=[renamed], shots=2, seed=1)
    far = task.open_world.unknowns[1]
    assert 0 not in far.items.labels
    assert len(far.items) == len(other.test) - 4
    assert "other: 4 images of base classes left out of the far unknowns: Red_Star" in task.notes
    new_alone = replace(other, class_names=(data.class_names[6], *(f"other {i}" for i in range(6))))
    assert len(open_world(data, targets=[new_alone], shots=2, seed=1).open_world.unknowns[1].items) == len(other.test)


def test_targets_that_cant_be_far_are_refused():
    data = miniature("mine")
    with pytest.raises(DatasetError, match="other has no test images of classes that mine hasn't"):
        open_world(data, targets=[replace(miniature("other"), test=data.test.take([0]))], shots=2, seed=1)
    with pytest.raises(DatasetError, match="target mine is the source"):
        open_world(data, targets=[data], shots=2, seed=1)
    with pytest.raises(ValueError, match="temperature"):
        open_world(data, shots=2, seed=1, temperature=0)


def test_unknown_images_are_tested_images():
    textures = demo_dataset("demo_textures")
    task = open_world(demo_dataset("demo_shapes"), targets=[textures], shots=1, seed=1)
    assert [(dataset, len(items)) for dataset, items in task.tested[3:]] == [
        ("demo_shapes", 720),
        ("demo_textures", 720),
    ]


def test_what_its_halves_lack_is_said_under_its_own_name():
    data = demo_dataset("demo_shapes")
    few = replace(data, class_names=data.class_names[:2], class_origins=(), train=data.train.only([0, 1]),
                  val=data.val.only([0, 1]), test=data.test.only([0, 1]))  # fmt: skip
    with pytest.raises(DatasetError, match=r"^open_world needs at least two classes in each half"):
        open_world(few, shots=1, seed=1)
    with pytest.raises(DatasetError, match=r"^base_to_new needs at least two classes in each half"):
        base_to_new(few, shots=1, seed=1)
