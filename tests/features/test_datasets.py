"""Whose images the features are of."""

import sqlite3

import numpy as np

from promptlab.clip import load_clip
from promptlab.demo import demo_dataset
from promptlab.features.bank import FeatureBank
from promptlab.features.datasets import list_datasets
from promptlab.features.store import Collection, FeatureStore
from promptlab.features.upkeep import clear, list_collections

EVAL = Collection("fp", "net", "eval-1", 0, 4)
FIRST, SECOND = (Collection("fp", "net", "train-1", view, 4) for view in range(2))


def _write(store, collection, *contents):
    store.write(collection, [(content, np.ones(4, np.float32)) for content in contents])


def _noted(dataset, *contents):
    from promptlab.features.datasets import note_dataset

    note_dataset(FeatureStore(), dataset, contents)


def test_images_and_bytes_are_counted_by_dataset_and_views_lie_together():
    store = FeatureStore()
    _noted("pets", "a", "b", "c")  # before anything is encoded, so that an interrupted run shows as well
    _noted("pets", "b", "d")
    _write(store, EVAL, "a", "b", "d", "x")
    _write(store, FIRST, "a", "b")
    _write(store, SECOND, "a")
    found = list_datasets()
    rows = {(row.dataset, row.transform): (row.views, row.images, row.bytes) for row in found.rows}
    assert rows == {
        ("pets", "eval-1"): (1, 3, 48),
        ("pets", "train-1"): (2, 2, 48),
        (None, "eval-1"): (1, 1, 16),
    }
    assert (found.bytes, found.shared_bytes) == (112, 0)
    assert found.bytes == sum(info.bytes for info in list_collections())


def test_what_two_datasets_share_counts_for_each_and_is_said():
    store = FeatureStore()
    _write(store, EVAL, "a", "b")
    _noted("one", "a", "b")
    _noted("other", "b")
    found = list_datasets()
    assert {row.dataset: row.images for row in found.rows} == {"one": 2, "other": 1}
    assert (found.bytes, found.shared_bytes) == (32, 16)


def test_a_database_of_an_earlier_version_is_listed_as_unknown():
    store = FeatureStore()
    _write(store, EVAL, "a", "b")
    with sqlite3.connect(store.path) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'dataset%'").fetchone()
    assert [(row.dataset, row.images) for row in list_datasets().rows] == [(None, 2)]


def test_a_list_is_noted_once(monkeypatch):
    _noted("pets", "a", "b")
    monkeypatch.setattr("promptlab.support.database.Database.writing", lambda *_: 1 / 0)
    _noted("pets", "b", "a")


def test_clearing_forgets_the_datasets_and_a_new_run_notes_them_again():
    store = FeatureStore()
    for _ in range(2):
        _noted("pets", "a")
        _write(store, EVAL, "a")
        assert [row.dataset for row in list_datasets().rows] == ["pets"]
        clear()
        assert list_datasets().rows == ()


def test_the_bank_notes_a_datasets_images():
    data, bank = demo_dataset("demo_shapes"), FeatureBank()
    few = data.test.take([0, 1, 1])
    bank.note(data.name, few)
    bank.features(load_clip("demo"), few, progress=False)
    assert [(row.dataset, row.name, row.images) for row in list_datasets().rows] == [("demo_shapes", "demo", 2)]
