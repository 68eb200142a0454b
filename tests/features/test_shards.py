"""Shards: what is written is read by whoever sees the folder, and damage costs only what is damaged."""

import os
import threading

import numpy as np
import pytest
import torch

from promptlab.features import FeatureBank, shards
from promptlab.features.encode import Row
from promptlab.features.keys import collections_of
from promptlab.features.shard_files import Shard, ShardName, check_shard, write_shard
from promptlab.features.shards import FOLDER_VARIABLE, find_rows, folder_of, listed, shards_dir
from promptlab.support.checksums import DamageError
from tests.helpers.fakes import FakeClip, picture_items

D = 8


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "shared"))
    return tmp_path / "shared"


def made_rows(numbers, views=(0,), seed=0):
    drawn = np.random.default_rng(seed)
    return [
        Row(f"{number * 2**96:032x}", view, drawn.standard_normal(D).astype(np.float32), float(number + view))
        for number in numbers
        for view in views
    ]


def written(root, rows, views=2):
    collections = collections_of(FakeClip(), views)
    return write_shard(folder_of(root, collections[0]), collections, rows), collections


def found(root, collections, contents, wanted=None):
    wanted = np.ones((len(contents), len(collections)), bool) if wanted is None else wanted
    features = np.full((*wanted.shape, D), np.nan, np.float32)
    norms = np.full(wanted.shape, np.nan, np.float32)
    for part in find_rows(root, collections, contents, wanted):
        features[part.at], norms[part.at] = part.features, part.norms
    return features, norms


def test_rows_come_back_bit_by_bit_whatever_their_order(root):
    rows = made_rows(range(50, 0, -1), views=(1, 0))
    path, collections = written(root, rows)
    contents = list(dict.fromkeys(row.content for row in rows))
    features, norms = found(root, collections, contents)
    for row in rows:
        at = contents.index(row.content), row.view
        assert features[at].tobytes() == row.feature.tobytes()
        assert norms[at] == row.norm
    assert Shard(path).of == {"backbone": FakeClip().fingerprint, "name": "fake",
                              "transform": collections[0].transform, "dim": D}  # fmt: skip
    check_shard(path)


def test_what_is_not_wanted_or_not_there_is_not_given(root):
    rows = made_rows(range(10))
    _, collections = written(root, rows)
    contents = [rows[3].content, "f" * 32, rows[7].content]
    wanted = np.array([[True, True], [True, True], [False, False]])
    features, _ = found(root, collections, contents, wanted)
    assert np.isfinite(features).all(axis=-1).tolist() == [[True, False], [False, False], [False, False]]
    assert not list(find_rows(root / "nowhere", collections, contents, wanted))


def test_equal_rows_are_one_file_with_equal_bytes(root):
    rows = made_rows(range(20))
    path, _ = written(root, rows)
    before = path.read_bytes()
    again, _ = written(root, rows[::-1])
    assert (again, again.read_bytes(), len(listed(path.parent))) == (path, before, 1)


def test_only_shards_that_may_hold_what_is_wanted_are_opened(root, monkeypatch):
    for start in range(0, 1000, 10):
        path, collections = written(root, made_rows(range(start, start + 10)))
    opened = []
    read = Shard.__init__
    monkeypatch.setattr(Shard, "__init__", lambda self, path: opened.append(path.name) or read(self, path))
    contents = [row.content for row in made_rows([5, 505, 507])]
    features, _ = found(root, collections, contents)
    assert np.isfinite(features[:, 0]).all()
    assert sorted(opened) == sorted(
        name for name, said in listed(path.parent).items() if said.first[:8] in (f"{0:08x}", f"{500:08x}")
    )


def test_new_shards_are_seen_at_once(root):
    rows = made_rows(range(4))
    _, collections = written(root, rows[:2])
    contents = [row.content for row in rows]
    assert np.isfinite(found(root, collections, contents)[0][:, 0, 0]).tolist() == [True, True, False, False]
    written(root, rows[2:])
    assert np.isfinite(found(root, collections, contents)[0][:, 0, 0]).all()


def spoil(path, damage):
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    if damage == "cut":
        del data[-9:]
    elif damage == "nothing left":
        data.clear()
    elif damage == "header":
        data[20] ^= 1
    elif damage == "index":
        data[-3] ^= 1
    else:
        offset = start + damage
        data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["cut", "nothing left", "header", "index"])
def test_a_damaged_shard_is_named_and_passed_over(root, damage, caplog):
    rows = made_rows(range(8))
    path, collections = written(root, rows[:4])
    written(root, rows[4:])
    spoil(path, damage)
    features, _ = found(root, collections, [row.content for row in rows])
    assert np.isfinite(features[:, 0, 0]).tolist() == [False] * 4 + [True] * 4
    assert f"the shard {path} is passed over" in caplog.text
    with pytest.raises(DamageError):
        check_shard(path)


def test_one_damaged_row_costs_one_row(root, caplog):
    rows = made_rows(range(8))
    path, collections = written(root, rows)
    first = Shard(path)._header["features"]["data_offsets"][0]
    spoil(path, first + 4 * D * 5 + 1)
    features, _ = found(root, collections, [row.content for row in rows])
    assert np.isfinite(features[:, 0, 0]).tolist() == [True] * 5 + [False] + [True] * 2
    assert f"1 damaged row in the shard {path}" in caplog.text
    with pytest.raises(DamageError):
        check_shard(path)


def test_a_shard_in_anothers_folder_is_passed_over(root, caplog):
    rows = made_rows(range(4))
    path, _ = written(root, rows)
    other = collections_of(FakeClip("other"), 2)
    folder_of(root, other[0]).mkdir(parents=True)
    path.rename(folder_of(root, other[0]) / path.name)
    features, _ = found(root, other, [row.content for row in rows])
    assert not np.isfinite(features).any()
    assert "it is of backbone" in caplog.text


@pytest.mark.parametrize("name", ["notes.txt", ".0-f.tmp", "0123456789abcdef-x-3-y.safetensors", ""])
def test_other_files_are_no_shards(name):
    assert ShardName.parse(name) is None


def test_writers_at_once_leave_whole_shards(root):
    rows = made_rows(range(64))
    threads = [threading.Thread(target=written, args=(root, rows[start : start + 32])) for start in (0, 0, 16, 32) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    collections = collections_of(FakeClip(), 2)
    folder = folder_of(root, collections[0])
    assert len(listed(folder)) == 3 == len(os.listdir(folder))
    features, _ = found(root, collections, [row.content for row in rows])
    assert np.array_equal(features[:, 0], np.stack([row.feature for row in rows]))


def shard_of(bank, clip, items, views, root):
    """Write what a bank has of items as a shard, as an encoder elsewhere would have."""
    collections, contents = collections_of(clip, views), items.content_ids()
    features, _ = bank.store.read_all(collections, contents)
    norms = bank.store.read_norms(collections, contents)
    rows = [
        Row(content, view, features[place, view], float(norms[place, view]))
        for place, content in enumerate(contents)
        for view in range(len(collections))
    ]
    return write_shard(folder_of(root, collections[0]), collections, rows)


@pytest.mark.parametrize("views", [0, 3])
@pytest.mark.parametrize("normalised", [True, False])
def test_a_bank_encodes_nothing_that_is_in_shards(tmp_path, root, views, normalised):
    clip, items = FakeClip(), picture_items(tmp_path / "pictures", 12)
    elsewhere = FeatureBank(tmp_path / "elsewhere.sqlite")
    expected = elsewhere.features(clip, items, views=views, normalised=normalised, progress=False)
    shard_of(elsewhere, clip, items.take(range(8)), views, root)
    here = FakeClip()
    bank = FeatureBank(tmp_path / "here.sqlite")
    for _ in range(2):
        assert torch.equal(bank.features(here, items, views=views, normalised=normalised, progress=False), expected)
        assert here.encoded == 4 * max(views, 1)


def test_damaged_rows_of_a_shard_are_encoded_here(tmp_path, root):
    clip, items = FakeClip(), picture_items(tmp_path / "pictures", 6)
    elsewhere = FeatureBank(tmp_path / "elsewhere.sqlite")
    expected = elsewhere.features(clip, items, progress=False)
    path = shard_of(elsewhere, clip, items, 0, root)
    spoil(path, Shard(path)._header["features"]["data_offsets"][0])
    here = FakeClip()
    for _ in range(2):
        features = FeatureBank(tmp_path / "here.sqlite").features(here, items, progress=False)
        assert torch.equal(features, expected)
    assert here.encoded == 1


def test_a_length_that_the_database_lacks_comes_from_a_shard(tmp_path, root):
    clip, items = FakeClip(), picture_items(tmp_path / "pictures", 5)
    elsewhere = FeatureBank(tmp_path / "elsewhere.sqlite")
    raw = elsewhere.features(clip, items, normalised=False, progress=False)
    shard_of(elsewhere, clip, items, 0, root)
    bank = FeatureBank(tmp_path / "here.sqlite")
    collections, contents = collections_of(clip), items.content_ids()
    rows, _ = elsewhere.store.read_all(collections, contents)
    bank.store.write(collections[0], list(zip(contents, rows[:, 0], strict=True)))  # as an earlier version did
    here = FakeClip()
    assert torch.equal(bank.features(here, items, normalised=False, progress=False), raw)
    assert here.encoded == 0


def test_without_a_word_shards_lie_in_the_cache_folder(own_cache, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert shards_dir() == own_cache / "shards"


def test_a_cache_on_a_network_file_system_is_said_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shards, "shared_kind", lambda folder: "nfs4")
    for _ in range(2):
        FeatureBank(tmp_path / "cache" / "features.sqlite")
    (said,) = caplog.messages
    assert f"{tmp_path / 'cache'} is on a network file system (nfs4)" in said
    assert "PROMPTLAB_CACHE" in said
    assert "promptlab encode" in said
