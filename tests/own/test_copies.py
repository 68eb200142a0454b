"""What belongs together: pairs and groups, joined through each other."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from promptlab.own.copies import equal_pairs, joined


def by_hand(count, pairs, names):
    """Labels that spread until nothing changes."""
    labels = list(range(count))
    links = [*pairs, *((i, j) for i, j in itertools.combinations(range(len(names)), 2) if names[i] == names[j])]
    for _ in range(count):
        for i, j in links:
            labels[i] = labels[j] = min(labels[i], labels[j])
    return labels


@given(st.data(), st.integers(1, 8))
def test_joined_is_what_spreading_labels_gives(data, count):
    place = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(place, place), max_size=8))
    names = data.draw(st.one_of(st.just([]), st.lists(st.sampled_from("abc"), min_size=count, max_size=count)))
    found, wanted = joined(count, pairs, names), by_hand(count, pairs, names)
    assert np.array_equal(found[:, None] == found, np.equal.outer(wanted, wanted))


def test_equal_pairs_name_the_first():
    assert equal_pairs([]) == []
    assert equal_pairs(["x", "y", "x", "y", "x"]) == [(0, 2), (1, 3), (0, 4)]
