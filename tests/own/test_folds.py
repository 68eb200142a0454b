"""Folds: no group on both sides, every held-out picture's class is trained on, small classes and ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.own.folds import ALWAYS_TRAINED, folds_of

LABELLED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=150)
@given(LABELLED, st.integers(0, 3), st.integers(2, 6))
def test_no_group_lies_across_and_each_held_out_class_is_trained_on(rows, seed, most):
    labels, groups = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    folds = folds_of(labels, groups, seed, most)
    assert folds.shape == labels.shape
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    held_out = sorted(set(folds.tolist()) - {ALWAYS_TRAINED})
    assert held_out == list(range(len(held_out)))
    assert len(held_out) <= most
    for fold in held_out:
        assert set(labels[folds == fold]) <= set(labels[folds != fold])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 3))
def test_pictures_alone_are_all_held_out_but_those_of_single_ones(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    folds = folds_of(labels, np.arange(len(labels)), seed)
    for label, count in enumerate(counts):
        own = folds[labels == label]
        assert (own == ALWAYS_TRAINED).all() == (count == 1)
        if count > 1:
            sizes = np.bincount(own, minlength=min(5, max(counts)))
            assert sizes.max() - sizes.min() <= 1  # stratified


def test_the_seed_deals_the_pictures_out():
    labels, groups = np.repeat([0, 1], 10), np.arange(20)
    assert np.array_equal(folds_of(labels, groups, 1), folds_of(labels, groups, 1))
    assert not np.array_equal(folds_of(labels, groups, 1), folds_of(labels, groups, 2))


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 1, 2]])
def test_nothing_is_held_out_where_no_class_has_two(labels):
    assert (folds_of(np.array(labels), np.arange(len(labels)), 1) == ALWAYS_TRAINED).all()


def test_a_class_whose_groups_fell_together_keeps_its_smallest_for_training():
    # one patient has all of class 1 and most of class 0
    labels, groups = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 3, 3])
    folds = folds_of(labels, groups, 1)
    assert (folds[groups == 3] == ALWAYS_TRAINED).all()
    assert (folds[groups != 3] != ALWAYS_TRAINED).all()
