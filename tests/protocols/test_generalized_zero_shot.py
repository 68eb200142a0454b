"""Seen classes train, all classes are scored over one label space, and a bias is chosen without test images."""

from dataclasses import replace

import pytest

from promptlab.demo.datasets import demo_dataset
from promptlab.protocols import base_to_new, cross_dataset, domain_generalization, few_shot, generalized_zero_shot
from promptlab.support.errors import DatasetError
from promptlab.support.signatures import signature_of
from tests.helpers.tasks import labels_of, shapes, some_classes


@pytest.fixture
def dataset():
    """Unseen classes as a benchmark names them, not the second half."""
    whole = shapes()
    unseen = (0, 5, 9)
    seen = [label for label in range(24) if label not in unseen]
    return replace(whole, unseen=unseen, train=whole.train.only(seen), val=whole.val.only(seen))


def test_all_images_of_the_seen_classes_train(dataset):
    task = generalized_zero_shot(dataset, shots="all", seed=1)
    assert sorted(task.train.content_ids()) == sorted(dataset.train.content_ids())
    assert task.class_names == dataset.class_names
    assert [label for label, has in enumerate(task.has_images) if not has] == [0, 5, 9]


def test_both_sides_are_scored_over_all_classes(dataset):
    task = generalized_zero_shot(dataset, shots=2, seed=1)
    seen, unseen = task.evaluations
    assert (seen.name, unseen.name, task.harmonic) == ("seen", "unseen", ("seen", "unseen"))
    assert seen.class_names == unseen.class_names == dataset.class_names
    assert seen.known == unseen.known == tuple(range(24))
    assert labels_of(unseen.items) == {0, 5, 9}
    assert labels_of(seen.items) == set(range(24)) - {0, 5, 9}
    assert len(seen.items) + len(unseen.items) == len(dataset.test)
    assert task.metric == "mean_class_accuracy"
    assert [label for label, of in enumerate(task.seen_unseen.is_unseen) if of] == [0, 5, 9]


def test_any_dataset_can_be_halved():
    task = generalized_zero_shot(shapes(), shots="all", seed=1)
    assert task.has_images == (True,) * 12 + (False,) * 12
    assert labels_of(task.train) == set(range(12))
    assert labels_of(task.val) <= set(range(12))


def test_the_development_split_tests_no_test_image_and_knows_no_unseen_class(dataset):
    task = generalized_zero_shot(dataset, shots="all", seed=1, split="development")
    tested = {content for part in task.evaluations for content in part.items.content_ids()}
    assert tested
    assert not tested & set(dataset.test.content_ids())
    assert not tested & set(task.train.content_ids())
    assert not tested & set(task.val.content_ids())
    assert labels_of(task.val) == labels_of(task.train)  # for learners that search
    hidden = {dataset.class_names[label] for label in dataset.unseen}
    assert not hidden & set(task.class_names)
    assert len(task.class_names) == 21
    assert task.protocol == "generalized_zero_shot_development"


def test_development_classes_without_images_are_validated_on(dataset):
    task = generalized_zero_shot(dataset, shots="all", seed=1, split="development")
    held_out = {label for label, has in enumerate(task.has_images) if not has}
    assert len(held_out) == 7
    assert not held_out & labels_of(task.train)
    seen, unseen = task.evaluations
    assert labels_of(unseen.items) == held_out
    assert labels_of(seen.items) == set(range(21)) - held_out


def test_a_benchmarks_own_development_split_is_used(dataset):
    own = replace(
        dataset,
        train=dataset.train.only([1, 2, 3, 4]),
        val=dataset.val.take([]),
        test=dataset.val.only([1, 2, 3, 4, 6, 7, 8]),
        unseen=(6, 7, 8),
    )
    task = generalized_zero_shot(replace(dataset, development=own), shots="all", seed=1, split="development")
    assert task.class_names == tuple(dataset.class_names[label] for label in (1, 2, 3, 4, 6, 7, 8))
    assert task.has_images == (True,) * 4 + (False,) * 3


def test_too_little_to_develop_on_is_refused(dataset):
    with pytest.raises(DatasetError, match="calibrate=false"):
        generalized_zero_shot(some_classes(shapes(), range(4)), shots=1, seed=1, split="development")
    without = replace(dataset, val=dataset.val.take([]))
    with pytest.raises(DatasetError, match="no development split"):
        generalized_zero_shot(without, shots=1, seed=1, split="development")
    with pytest.raises(ValueError, match="test, development"):
        generalized_zero_shot(dataset, shots=1, seed=1, split="train")
    with pytest.raises(DatasetError, match="at least two classes"):
        generalized_zero_shot(some_classes(shapes(), range(1)), shots=1, seed=1)


def test_base_to_new_can_also_be_scored_jointly():
    whole = shapes()
    task = base_to_new(whole, shots=2, seed=1, joint=True)
    base, new, base_joint, new_joint = task.evaluations
    assert [part.name for part in task.evaluations] == ["base", "new", "base_joint", "new_joint"]
    assert base_joint.class_names == new_joint.class_names == whole.class_names
    assert base_joint.items.content_ids() == base.items.content_ids()
    assert new_joint.items.content_ids() == new.items.content_ids()
    assert (labels_of(new.items), labels_of(new_joint.items)) == (set(range(12)), set(range(12, 24)))
    assert task.harmonic == ("base", "new")


@pytest.mark.parametrize("kind", ["val is test", "one picture of both", "a development split of its own"])
def test_nothing_is_developed_on_test_images(dataset, kind):
    test = dataset.test.only(dataset.train.labels)
    changes = {
        "val is test": {"val": test, "val_is_test": True},
        "one picture of both": {"val": replace(dataset.val, **_with_first_of(dataset.val, test))},
        "a development split of its own": {"development": replace(dataset, unseen=(1, 2), test=test)},
    }
    with pytest.raises(
        DatasetError, match=r"test images? (is|are) among what .* chosen with; use protocol\.calibrate=false"
    ):
        generalized_zero_shot(replace(dataset, **changes[kind]), shots="all", seed=1, split="development")


def _with_first_of(items, others):
    """The items with one of the others (of the same source) in the place of the first of its class."""
    place = items.labels.tolist().index(others.labels[0])
    indices = items.indices.copy()
    indices[place] = others.indices[0]
    return {"indices": indices}


@pytest.mark.parametrize("protocol", [few_shot, base_to_new, cross_dataset, domain_generalization])
def test_other_protocols_refuse_classes_without_training_images(dataset, protocol):
    targets = {"targets": [demo_dataset("demo_shapes_dark")]} if "targets" in signature_of(protocol) else {}
    with pytest.raises(DatasetError, match=r"no training images of 3 classes.*protocol=generalized_zero_shot"):
        protocol(dataset, shots=1, seed=1, **targets)
