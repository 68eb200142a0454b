"""How many images each class gets, and which."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.data.unequal import long_tail_counts, natural_counts, sample_unequal

sizes = st.lists(st.integers(1, 200), min_size=2, max_size=12).map(lambda counts: dict(enumerate(counts)))


@given(sizes, st.integers(1, 40))
def test_natural_counts_add_up_and_follow_the_proportions(available, shots):
    counts = natural_counts(available, shots)
    total = len(available) * shots
    assert sum(counts.values()) == min(total, sum(available.values()))
    assert all(1 <= counts[label] <= available[label] for label in available)
    for one in available:
        for other in available:
            if available[one] > available[other]:
                assert counts[one] >= counts[other] or counts[one] == counts[other] - 1  # a remainder's image


def test_natural_counts_are_the_proportions_where_they_come_out_even():
    assert natural_counts({0: 60, 1: 30, 2: 10}, 10) == {0: 18, 1: 9, 2: 3}
    assert natural_counts({0: 1000, 1: 1, 2: 1}, 4) == {0: 10, 1: 1, 2: 1}
    assert natural_counts({0: 3, 1: 1}, "all") == {0: 3, 1: 1}


@pytest.mark.parametrize("shots", [16, 100])
@pytest.mark.parametrize("imbalance", [1, 10, 100])
def test_long_tail_is_that_of_cifar_lt(shots, imbalance):
    """The authors' ``get_img_num_per_cls`` written out: img_max * imb_factor ** (cls_idx / (cls_num - 1))."""
    counts = long_tail_counts(dict.fromkeys(range(10), 500), shots, imbalance, seed=3)
    expected = [max(int(shots * (1 / imbalance) ** (place / 9) + 1e-9), 1) for place in range(10)]
    assert sorted(counts.values(), reverse=True) == expected


def test_the_places_follow_from_the_seed():
    available = dict.fromkeys(range(10), 500)
    first, again, other = (tuple(long_tail_counts(available, 64, 64, seed).items()) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_tail_is_no_longer_than_the_class_has_images():
    available = {0: 3, 1: 500, 2: 500}
    assert all(long_tail_counts(available, 100, 2, seed)[0] == 3 for seed in range(6))
    assert max(long_tail_counts({0: 7, 1: 7}, "all", 7, seed=1).values()) == 7


@pytest.mark.parametrize("draw", ["natural", "long_tail"])
def test_drawn_are_different_images_of_the_classes_by_seed(draw):
    train, val = np.repeat([4, 1, 7], [30, 20, 10]), np.repeat([1, 4, 7], 6)
    draws = [sample_unequal(train, val, draw=draw, shots=5, seed=seed, imbalance=4) for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert set(draws[0][0]) != set(draws[2][0])
    picked, held_out = draws[0]
    assert len(set(picked)) == len(picked)
    available = dict(Counter(train.tolist()))
    wanted = natural_counts(available, 5) if draw == "natural" else long_tail_counts(available, 5, 4, seed=1)
    assert Counter(train[picked].tolist()) == wanted
    assert Counter(val[held_out].tolist()) == {1: 4, 4: 4, 7: 4}
    assert Counter(val[sample_unequal(train, val, draw=draw, shots="all", seed=1, imbalance=4)[1]]) == Counter(val)
