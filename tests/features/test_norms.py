import sqlite3
from contextlib import closing

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import promptlab
from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows
from promptlab.features import FeatureBank
from promptlab.features.given import contents_read
from promptlab.features.upkeep import clear, damaged_rows, list_collections, prune
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import FakeClip, picture_items


def raw_of(clip, items):
    pictures = torch.stack([clip.preprocess(items.source.open(int(index))) for index in items.indices])
    return pictures.flatten(1) @ clip.weight


def norms_in(bank):
    with closing(sqlite3.connect(bank.path)) as connection:
        return connection.execute("SELECT COUNT(*) FROM norms").fetchone()[0]


def test_raw_features_are_the_rows_times_their_norms(tmp_path):
    clip, items, bank = FakeClip(), picture_items(tmp_path, 7), FeatureBank()
    unit = bank.features(clip, items, batch_size=4, progress=False)
    raw = bank.features(clip, items, batch_size=4, normalised=False, progress=False)
    torch.testing.assert_close(raw, raw_of(clip, items))
    assert torch.equal(unit, clip.expected(items))
    torch.testing.assert_close(F.normalize(raw, dim=-1), unit, rtol=0, atol=1e-6)
    assert clip.encoded == 7  # both come from one encoding


def test_rows_of_an_earlier_version_stay_and_get_their_norms_once(tmp_path, caplog):
    clip, items, bank = FakeClip(), picture_items(tmp_path, 5), FeatureBank()
    unit = bank.features(clip, items, views=3, progress=False)
    with closing(sqlite3.connect(bank.path)) as connection:  # as earlier versions left it, with bits of another machine
        connection.execute("DROP TABLE norms")
        rows = connection.execute("SELECT id, feature, checksum FROM features").fetchall()
        connection.commit()
    raw = bank.features(clip, items, views=3, normalised=False, progress=False)
    assert "15 features were kept without a length by an earlier version" in caplog.text
    caplog.clear()
    again = bank.features(clip, items, views=3, normalised=False, progress=False)
    assert not caplog.text
    assert clip.encoded == 30
    assert torch.equal(raw, again)
    assert torch.equal(bank.features(clip, items, views=3, progress=False), unit)
    with closing(sqlite3.connect(bank.path)) as connection:
        assert connection.execute("SELECT id, feature, checksum FROM features").fetchall() == rows


def test_a_damaged_norm_is_made_again(tmp_path):
    clip, items, bank = FakeClip(), picture_items(tmp_path, 4), FeatureBank()
    raw = bank.features(clip, items, normalised=False, progress=False)
    with closing(sqlite3.connect(bank.path)) as connection:
        connection.execute("UPDATE norms SET norm = norm * 2 WHERE id = (SELECT MIN(id) FROM norms)")
        connection.commit()
    assert damaged_rows(bank.path) == (4, 1)
    assert torch.equal(bank.features(clip, items, normalised=False, progress=False), raw)
    assert clip.encoded == 5
    assert damaged_rows(bank.path) == (4, 0)


def test_norms_go_with_their_rows(tmp_path):
    bank, items = FeatureBank(), picture_items(tmp_path, 4)
    bank.features(FakeClip("one"), items, progress=False)
    bank.features(FakeClip("two"), items, progress=False)
    assert norms_in(bank) == 8
    prune(keep_bytes=list_collections()[0].bytes)
    assert norms_in(bank) == 4
    clear()
    bank.features(FakeClip("one"), items, progress=False)
    assert norms_in(bank) == 4


def test_features_before_the_projection_are_a_collection_of_their_own():
    clip, bank = promptlab.load_clip("demo"), FeatureBank()
    items = promptlab.demo_dataset("demo_textures").train.take([0, 5, 9])
    features = bank.features(clip, items, normalised=False, progress=False)
    before = bank.features(clip, items, kind="pre_projection", normalised=False, progress=False)
    assert before.shape == (3, clip.pre_projection_width)
    torch.testing.assert_close(before @ clip.image_projection, features, rtol=1e-4, atol=1e-4)
    views = bank.features(clip, items, kind="pre_projection", normalised=False, views=2, progress=False)
    assert views.shape == (3, 2, clip.pre_projection_width)
    assert sorted(info.transform.endswith("+pre_projection") for info in list_collections()) == [
        False,
        True,
        True,
        True,
    ]


def test_given_features_keep_their_lengths_or_are_refused():
    rows = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    items = Items(FeatureRows(rows, "mine.npy"), np.arange(4), np.zeros(4, np.int64))
    clip, bank = FakeClip(), FeatureBank()
    torch.testing.assert_close(bank.features(clip, items, normalised=False), torch.from_numpy(rows))
    unit = items.source.features.numpy()
    flat = Items(FeatureRows(unit, "flat.npy"), np.arange(4), np.zeros(4, np.int64))
    longer = Items(FeatureRows(2 * rows, "longer.npy"), np.arange(4), np.zeros(4, np.int64))
    assert contents_read(longer, True) == contents_read(items, True) == items.content_ids()
    assert contents_read(longer, False) != contents_read(items, False)
    with pytest.raises(DatasetError, match=r"flat.npy holds L2-normalised features, and this learner reads their len"):
        bank.features(clip, flat, normalised=False)
    with pytest.raises(DatasetError, match="joint space, and pre_projection is wanted"):
        bank.features(clip, items, kind="pre_projection")
