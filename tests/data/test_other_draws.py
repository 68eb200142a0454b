"""Draws of other papers against their code written out; CoOp's stays what it is."""

import random

import pytest

from promptlab.data import sample_few_shot
from promptlab.data.sampling_from_training import sample_from_training
from promptlab.support.errors import DatasetError

TRAIN = [2, 0, 0, 1, 2, 2, 0, 2, 0, 0, 2, 0]  # class 1 has a single image
VAL = [0, 1, 2, 0, 2, 1, 0, 2, 0, 0, 0, 0]


def by_class(labels):
    members = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    return members.values()


def dassl(stream, labels, n):
    """``generate_fewshot_dataset(repeat=True)`` of the forks of CoOp's Dassl."""
    chosen = []
    for members in by_class(labels):
        if len(members) >= n:
            chosen.extend(stream.sample(members, n))
        else:
            chosen.extend(stream.choices(members, k=n))
    return chosen


@pytest.mark.parametrize("seed", [1, 7])
def test_clip_lora_draws_validation_images_first(seed):
    stream = random.Random(seed)
    val = dassl(stream, VAL, 3)
    assert sample_few_shot(TRAIN, VAL, shots=3, seed=seed, val_shots=3, rule="validation_first") == (
        dassl(stream, TRAIN, 3), val,
    )  # fmt: skip


def test_lp_plus_plus_fills_up_and_validates_on_as_many():
    stream = random.Random(2)
    expected = dassl(stream, TRAIN, 5), dassl(stream, VAL, 5)
    assert sample_few_shot(TRAIN, VAL, shots=5, seed=2, val_shots=5, rule="repeated") == expected


def test_gda_draws_all_shots_from_one_stream():
    stream = random.Random(3)
    one, two, four = (dassl(stream, TRAIN, shots) for shots in (1, 2, 4))
    for shots, expected in ((1, one), (2, two), (4, four)):
        assert sample_few_shot(TRAIN, VAL, shots=shots, seed=3, rule="one_after_the_other") == (expected, [])
    assert sample_few_shot(TRAIN, VAL, shots=1, seed=3)[0] == one  # with one shot it is CoOp's
    assert sample_few_shot(TRAIN, VAL, shots=4, seed=3)[0] != four


@pytest.mark.parametrize(
    ("rule", "val_shots", "drawn", "held"),
    [("validation_first", None, 3 + 3, 3), ("repeated", 3, 2 * 3, 3), ("validation_first", 5, 3 + 5, 5)],
)
def test_imagenet_is_drawn_from_its_training_images_alone(rule, val_shots, drawn, held):
    """A class at a time, ``random.sample`` of both at once, the first of which train."""
    labels = [number % 3 for number in range(60)]
    stream, train, val = random.Random(2), [], []
    for members in by_class(labels):
        both = stream.sample(members, drawn)
        train, val = train + both[:3], val + both[3 : 3 + held]
    assert sample_from_training(labels, shots=3, seed=2, val_shots=val_shots, rule=rule) == (train, val)


def test_few_of_as_many_as_train_are_drawn_by_prolips_rule():
    """Its sample is twice the shots, also where fewer of them validate."""
    labels = [number % 2 for number in range(60)]
    few, all_of_them = (sample_from_training(labels, shots=8, seed=1, val_shots=n, rule="repeated") for n in (None, 8))
    assert few[0] == all_of_them[0]
    assert few[1] == [*all_of_them[1][:4], *all_of_them[1][8:12]]


def test_a_class_without_images_for_both_is_named():
    with pytest.raises(DatasetError, match="class 1 has 3 training images, and rule=validation_first draws 4 of it"):
        sample_from_training([0, 0, 0, 0, 1, 1, 1], shots=2, seed=1)
