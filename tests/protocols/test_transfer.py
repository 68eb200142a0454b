"""Cross-dataset transfer and domain generalisation: one fit, many targets."""

from dataclasses import replace

import numpy as np
import pytest

from promptlab.demo.datasets import demo_dataset
from promptlab.protocols import cross_dataset, domain_generalization, few_shot
from promptlab.support.errors import DatasetError
from tests.helpers.tasks import shapes, some_classes

PROTOCOLS = (cross_dataset, domain_generalization)


@pytest.fixture
def source():
    return shapes()


@pytest.fixture
def sketches():
    return demo_dataset("demo_shapes_sketch")


def test_each_target_has_its_own_classes_and_template(source):
    textures = replace(demo_dataset("demo_textures"), template="{} texture.")
    task = cross_dataset(source, targets=[textures], shots=4, seed=2)
    own, target = task.evaluations
    assert (own.name, own.items, own.known) == ("demo_shapes", source.test, tuple(range(24)))
    assert (target.name, target.dataset, target.items) == ("demo_textures", "demo_textures", textures.test)
    assert (target.class_names, target.template, target.known) == (textures.class_names, "{} texture.", None)
    assert task.has_images == (True,) * 24


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_trains_is_the_few_shot_protocols_draw(source, sketches, protocol):
    task, plain = protocol(source, targets=[sketches], shots=4, seed=2), few_shot(source, shots=4, seed=2)
    assert task.train.content_ids() == plain.train.content_ids()
    assert task.val.content_ids() == plain.val.content_ids()
    assert (task.class_names, task.has_images) == (plain.class_names, plain.has_images)


def test_shifted_images_are_scored_over_the_sources_names_and_template(source, sketches):
    target = replace(sketches, template="a sketch of a {}.")
    shifted = domain_generalization(source, targets=[target], shots=1, seed=1).evaluations[1]
    assert shifted.template == source.template
    assert shifted.known == tuple(range(24))


def test_a_subset_of_the_classes_is_matched_by_name(source, sketches):
    """P25's way: only the classes that are there are in the label space."""
    some = some_classes(sketches, [20, 3, 7])
    shifted = domain_generalization(source, targets=[some], shots=1, seed=1).evaluations[1]
    assert shifted.known == (20, 3, 7)
    assert shifted.class_names == tuple(source.class_names[label] for label in (20, 3, 7))
    assert set(shifted.items.labels) == {0, 1, 2}


def test_keys_match_where_names_cannot(source, sketches):
    """ImageNet has two classes ``missile``; WordNet ids tell them apart."""
    names = ("missile", "missile", *source.class_names[2:])
    keys = tuple(f"n{label:08d}" for label in range(24))
    source = replace(source, class_names=names, class_keys=keys)
    target = some_classes(replace(sketches, class_names=names), [1, 0], class_keys=(keys[1], keys[0]))
    assert domain_generalization(source, targets=[target], shots=1, seed=1).evaluations[1].known == (1, 0)
    nameless = replace(target, class_keys=())
    with pytest.raises(DatasetError, match="can't be matched by name: missile"):
        domain_generalization(source, targets=[nameless], shots=1, seed=1)


def test_foreign_classes_are_refused_for_shifted_images(source):
    with pytest.raises(DatasetError, match=r"not among those of demo_shapes.*cross_dataset"):
        domain_generalization(source, targets=[demo_dataset("demo_textures")], shots=1, seed=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("targets", "message"),
    [([], "needs targets"), (["demo_shapes"], "is the source"), (["demo_shapes_dark"] * 2, "is there twice")],
)
def test_targets_are_checked(source, protocol, targets, message):
    with pytest.raises(DatasetError, match=message):
        protocol(source, targets=[demo_dataset(name) for name in targets], shots=1, seed=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_targets_splits_are_noted(source, sketches, protocol):
    notes = protocol(source, targets=[sketches], shots=1, seed=1).notes
    assert any("demo_shapes_sketch" in note and sketches.split_hash in note for note in notes)


def test_targets_have_no_part_in_what_trains(source, sketches):
    one = cross_dataset(source, targets=[sketches], shots=2, seed=1)
    two = cross_dataset(source, targets=[sketches, demo_dataset("demo_textures")], shots=2, seed=1)
    assert one.train.content_ids() == two.train.content_ids()
    assert np.array_equal(one.train.labels, two.train.labels)
    assert (one.class_names, one.template) == (two.class_names, two.template)


def test_shifted_images_are_scored_under_the_sources_names(source, sketches):
    """Also where the target's own names differ, as two files of ImageNet's names do."""
    keys = tuple(f"n{label:08d}" for label in range(24))
    other = tuple(name.upper() for name in sketches.class_names)
    target = replace(sketches, class_names=other, class_keys=keys)
    shifted = domain_generalization(replace(source, class_keys=keys), targets=[target], shots=1, seed=1).evaluations[1]
    assert shifted.class_names == source.class_names


def test_a_target_with_one_class_twice_is_refused(source, sketches):
    names = (sketches.class_names[0], *sketches.class_names[:-1])
    with pytest.raises(DatasetError, match="has several classes"):
        domain_generalization(source, targets=[replace(sketches, class_names=names)], shots=1, seed=1)
