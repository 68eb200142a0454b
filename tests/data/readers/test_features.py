import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from promptlab.data import check_images, read_features
from promptlab.data.items import ImageSource
from promptlab.data.sources.features import FeatureRows
from promptlab.features import FeatureBank
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import FakeClip

NAMES = ["cat", "dog", "cow"]


def arrays(n=9, d=8, seed=0):
    features = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return features, np.arange(n) % 3


def write(folder, kind, split, features, labels):
    path = folder / f"{split}.{kind}"
    if kind == "npy":
        np.save(path, features)
        np.save(folder / f"{split}_labels.npy", labels)
        return {split: path, f"{split}_labels": folder / f"{split}_labels.npy"}
    if kind == "npz":
        np.savez(path, features=features, labels=labels)
    else:
        tensors = {"features": torch.from_numpy(features), "labels": torch.from_numpy(labels)}
        save_file(tensors, path, metadata={"class_names": json.dumps(NAMES)})
    return {split: path}


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors"])
def test_features_are_read_and_normalised(tmp_path, kind):
    train, test = arrays(), arrays(6, seed=1)
    files = write(tmp_path, kind, "train", *train) | write(tmp_path, kind, "test", *test)
    data = read_features(**files, class_names=None if kind == "safetensors" else NAMES)
    assert data.class_names == tuple(NAMES)
    assert (len(data.train), len(data.val), len(data.test)) == (9, 0, 6)
    expected = torch.from_numpy(test[0] / np.linalg.norm(test[0], axis=1, keepdims=True))
    torch.testing.assert_close(FeatureBank().features(FakeClip(), data.test), expected)
    assert isinstance(data.train.source, ImageSource)


def test_bfloat16_half_and_double_become_float32(tmp_path):
    features, labels = arrays()
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        path = tmp_path / "train.safetensors"
        save_file({"features": torch.from_numpy(features).to(dtype), "labels": torch.from_numpy(labels)}, path)
        data = read_features(train=path, test=path, class_names=NAMES)
        rows = FeatureBank().features(FakeClip(), data.train)
        assert rows.dtype == torch.float32
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(9))


def test_views_of_features_are_the_features(tmp_path):
    path = write(tmp_path, "npz", "train", *arrays())["train"]
    data = read_features(train=path, test=path, val=path, class_names=NAMES)
    rows = FeatureBank().features(FakeClip(), data.val, views=3)
    assert rows.shape == (9, 3, 8)
    assert torch.equal(rows[:, 2], FeatureBank().features(FakeClip(), data.val))


def test_class_names_from_a_text_file_and_from_npz(tmp_path):
    features, labels = arrays()
    np.savez(tmp_path / "a.npz", features=features, labels=labels, class_names=np.array(NAMES))
    (tmp_path / "names.txt").write_text("katze\nhund\nkuh\n")
    path = tmp_path / "a.npz"
    assert read_features(train=path, test=path).class_names == tuple(NAMES)
    named = read_features(train=path, test=path, class_names=tmp_path / "names.txt")
    assert named.class_names == ("katze", "hund", "kuh")


def test_content_ids_and_descriptions():
    rows = FeatureRows(np.array([[1.0, 0], [0, 2], [3, 0]]), "x.npy")
    ids = rows.content_ids([0, 1, 2])
    assert ids[0] == ids[2] != ids[1]
    assert rows.describe(1) == "x.npy[1]"
    with pytest.raises(DatasetError, match="is a feature, not an image"):
        rows.open(1)


def broken(features, labels, case):
    features, labels = features.copy(), labels.copy()
    if case == "not finite":
        features[4, 1] = np.nan
    if case == "zero":
        features[4] = 0
    if case == "whole numbers":
        features = labels[:, None].repeat(2, 1)
    if case == "flat":
        features = features[:, 0]
    if case == "fewer labels":
        labels = labels[:-1]
    if case == "broken labels":
        labels = labels + 0.5
    if case == "from one":
        labels = labels + 1
    if case == "outside":
        labels[0] = 7
    if case == "empty class":
        labels[labels == 1] = 0
    return features, labels


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("not finite", r"train\.npz: 1 row is zero or not finite, the first is row 4"),
        ("zero", "1 row is zero or not finite, the first is row 4"),
        ("whole numbers", "features must be floats"),
        ("flat", r"shape \(N, D\)"),
        ("fewer labels", "9 features but 8 labels"),
        ("broken labels", "labels must be whole numbers"),
        ("from one", "labels run from 1 to 3"),
        ("outside", "1 train label lies outside 0 to 2"),
        ("empty class", r"1 class has no training images: 1 \(dog\)"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, case, message):
    files = {}
    for split in ("train", "test"):
        files |= write(tmp_path, "npz", split, *broken(*arrays(), case))
    with pytest.raises(DatasetError, match=message):
        read_features(**files, class_names=NAMES)


def test_what_is_missing_is_said(tmp_path):
    features, labels = arrays()
    good = write(tmp_path, "npz", "train", features, labels)["train"]
    with pytest.raises(DatasetError, match=r"dataset\.train=FILE"):
        read_features(train=None, test=good)
    with pytest.raises(DatasetError, match=r"missing: .*gone\.npz"):
        read_features(train=tmp_path / "gone.npz", test=good)
    with pytest.raises(DatasetError, match=r"class_names to a list, or a text file"):
        read_features(train=good, test=good)
    with pytest.raises(DatasetError, match=r"class names can't be read"):
        read_features(train=good, test=good, class_names=tmp_path / "gone.txt")
    np.save(tmp_path / "alone.npy", features)
    with pytest.raises(DatasetError, match="holds features alone"):
        read_features(train=tmp_path / "alone.npy", test=good, class_names=NAMES)
    np.savez(tmp_path / "keys.npz", x=features, y=labels)
    with pytest.raises(DatasetError, match=r"has no array 'features'; it has \['x', 'y'\]"):
        read_features(train=tmp_path / "keys.npz", test=good, class_names=NAMES)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "csv"])
def test_files_that_are_something_else_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"not an array at all")
    with pytest.raises(DatasetError, match=r"can't be read|unknown kind"):
        read_features(train=path, test=path, class_names=NAMES, train_labels=path)


def test_a_pickle_is_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"run": "code"}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"can't be read: .*a\.npy"):
        read_features(train=tmp_path / "a.npy", test=tmp_path / "a.npy", class_names=NAMES)


def test_another_backbones_features_are_refused(tmp_path):
    path = write(tmp_path, "npz", "train", *arrays(d=5))["train"]
    data = read_features(train=path, test=path, class_names=NAMES)
    check_images(data.train)
    with pytest.raises(DatasetError, match="width 5, but the backbone's joint space has 8"):
        FeatureBank().features(FakeClip(), data.train)
    other = write(tmp_path, "npz", "test", *arrays(d=6))["test"]
    with pytest.raises(DatasetError, match="different widths"):
        read_features(train=path, test=other, class_names=NAMES)
