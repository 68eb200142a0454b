import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.data import base_new_classes, fewer_than, read_coop_split, sample_few_shot, sample_linear_probe

LAYOUTS = {
    "eurosat": ("eurosat", "split_zhou_EuroSAT.json", "2750"),
    "caltech101": ("caltech-101", "split_zhou_Caltech101.json", "101_ObjectCategories"),
}


@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("name", list(LAYOUTS))
def test_draw_equals_coops_recorded_one(shared_data, name, shots):
    folder, split_file, image_folder = LAYOUTS[name]
    data = read_coop_split(name, shared_data, folder=folder, split_file=split_file, image_folder=image_folder)
    recorded = json.loads((shared_data / "few_shot_indices" / name / f"shot_{shots}-seed_1.json").read_text())
    train, val = sample_few_shot(data.train.labels, data.val.labels, shots=shots, seed=1)
    assert train == recorded["train"]["indices"]
    assert val == recorded["val"]["indices"]
    paths = [row["impath"].split(f"{image_folder}/")[1] for row in recorded["train"]["data"]]
    assert [data.train.source.describe(int(index)) for index in data.train.take(train).indices] == paths


UNSORTED_TRAIN = [3, 0, 3, 1, 2, 0, 3, 1, 1, 2, 0, 3, 2, 1, 0, 3, 3, 0, 1, 2]
UNSORTED_VAL = [2, 1, 0, 3, 3, 2, 1, 0, 0, 1, 2, 3, 1, 1, 0, 2, 3, 3]

PINNED = (
    ([2, 15, 1, 10, 3, 13, 19, 9], [15, 0, 1, 12, 2, 7, 16, 3]),
    (
        [0, 16, 15, 2, 11, 10, 17, 14, 1, 5, 18, 7, 13, 8, 3, 4, 9, 12, 19],
        [15, 10, 5, 0, 1, 9, 6, 12, 14, 7, 2, 8, 4, 17, 3, 11],
    ),
)


def test_pinned_draw_of_unsorted_labels():
    # Computed with Dassl's generate_fewshot_dataset written out: random.seed(s), then the global stream.
    assert sample_few_shot(UNSORTED_TRAIN, UNSORTED_VAL, shots=2, seed=1) == PINNED[0]
    assert sample_few_shot(UNSORTED_TRAIN, UNSORTED_VAL, shots=5, seed=2) == PINNED[1]


def dassl(train_labels, val_labels, shots, seed):
    """Dassl's sampler, step by step, on its own global stream."""
    state = random.getstate()
    random.seed(seed)
    drawn = []
    for labels, n in ((train_labels, shots), (val_labels, min(shots, 4))):
        tracker = {}
        for item in enumerate(labels):
            tracker.setdefault(item[1], []).append(item)
        out = []
        for members in tracker.values():
            out.extend(random.sample(members, n) if len(members) >= n else members)
        drawn.append([position for position, _ in out])
    random.setstate(state)
    return tuple(drawn)


labels = st.lists(st.integers(0, 5), max_size=60)


@given(labels, labels, st.integers(1, 12), st.integers(0, 1000))
def test_draw_equals_dassls_and_leaves_the_global_stream_alone(train, val, shots, seed):
    before = random.getstate()
    drawn = sample_few_shot(train, val, shots=shots, seed=seed)
    assert random.getstate() == before
    assert drawn == dassl(train, val, shots, seed)
    for chosen, source, n in ((drawn[0], train, shots), (drawn[1], val, min(shots, 4))):
        assert len(set(chosen)) == len(chosen)
        for label in set(source):
            assert sum(source[position] == label for position in chosen) == min(n, source.count(label))


def test_all_shots_keep_everything_in_order():
    assert sample_few_shot([1, 0, 1], [0], shots="all", seed=1) == ([0, 1, 2], [0])


def test_a_small_class_keeps_its_images_in_their_order_and_is_listed():
    train, _ = sample_few_shot([0, 1, 0, 1, 1], [], shots=3, seed=1)
    assert train[:2] == [0, 2]
    assert fewer_than([0, 1, 0, 1, 1], 3) == {0: 2}
    assert fewer_than([0, 1], "all") == {}


@pytest.mark.parametrize("shots", [0, -1, 1.5, True, "many", None])
def test_impossible_shots_are_refused(shots):
    with pytest.raises(ValueError, match="whole number from 1 to 1,000,000 or all is needed"):
        sample_few_shot([0], [0], shots=shots, seed=1)


@given(st.integers(2, 1000))
def test_base_and_new_classes(n):
    base, new = base_new_classes(n)
    assert base + new == list(range(n))
    assert len(base) - len(new) == n % 2


def test_one_class_has_no_new_half():
    with pytest.raises(ValueError, match="at least 2"):
        base_new_classes(1)


def lpclip(train_label, val_label, num_shot, seed):
    """CoOp's ``lpclip/linear_probe.py``, on numpy's global stream."""
    state = np.random.get_state()
    np.random.seed(seed)
    all_label_list = np.unique(train_label)
    drawn = []
    for labels, shots in ((train_label, num_shot), (val_label, {1: 1, 2: 2, 4: 4, 8: 4, 16: 4}[num_shot])):
        selected_idx_list = []
        for label in all_label_list:
            label_collection = np.where(labels == label)[0]
            selected_idx = np.random.choice(label_collection, size=shots, replace=False)
            selected_idx_list.extend(selected_idx)
        drawn.append([int(index) for index in selected_idx_list])
    np.random.set_state(state)
    return tuple(drawn)


@pytest.mark.parametrize("seed", [1, 2, 10])
@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
def test_linear_probe_draw_is_lpclips(shots, seed):
    """P27, the indices; the global stream stays where it was."""
    stream = np.random.RandomState(0)
    train = stream.permutation(np.repeat([4, 0, 7, 2], [16, 40, 17, 25]))
    val = stream.permutation(np.repeat([4, 0, 7, 2], [4, 9, 30, 5]))
    before = np.random.get_state()[1].tolist()
    drawn = sample_linear_probe(train.tolist(), val, shots=shots, seed=seed)
    assert np.random.get_state()[1].tolist() == before
    assert drawn == lpclip(train, val, shots, seed)
    assert all(type(index) is int for part in drawn for index in part)


@pytest.mark.parametrize(
    ("val", "shots", "message"),
    [
        ([0, 1], 3, "class 1 has 2 training images, 3 are drawn"),
        ([0, 0], 2, "class 1 has 0 validation images, 2 are drawn"),
        ([0, 1], "all", "shots='all'.: a whole number from 1 to 1,000,000 is needed"),
        ([0, 1], 0, "whole number from 1"),
    ],
)
def test_linear_probe_draw_refuses_what_lpclip_cannot(val, shots, message):
    with pytest.raises(ValueError, match=message):
        sample_linear_probe([0, 1, 0, 1, 0], val, shots=shots, seed=1)
