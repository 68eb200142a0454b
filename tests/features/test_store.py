import hashlib
import time

import numpy as np
import pytest

from promptlab.features import FeatureBank
from promptlab.features.store import Collection, FeatureStore
from promptlab.features.upkeep import clear, list_collections, prune
from promptlab.support.database import Database
from promptlab.support.errors import PromptlabError
from tests.helpers.fakes import FakeClip, picture_items


def collection(**changes):
    facts = {"backbone": "fp", "name": "net", "transform": "eval", "view": 0, "dim": 512}
    return Collection(**(facts | changes))


def ids(n):
    return [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(n)]


def age(store, name, days):
    change = "UPDATE collections SET used = ? WHERE name = ?"
    store.database.writing(lambda connection: connection.execute(change, (time.time() - days * 86400, name)))


def test_rows_come_back_in_the_order_asked_for():
    store, names = FeatureStore(), ids(100)
    rows = np.random.default_rng(0).standard_normal((100, 512), dtype=np.float32)
    store.write(collection(), zip(names[:90], rows, strict=False))
    order = np.random.default_rng(1).permutation(100)
    features, present = store.read(collection(), [names[i] for i in order])
    assert (present == (order < 90)).all()
    assert (features[present] == rows[order[present]]).all()
    assert not features[~present].any()
    assert not store.read(collection(view=1), names)[1].any()


def test_a_large_gather_has_every_row_in_its_place():
    n, store = 50_000, FeatureStore()
    names = ids(n)
    rows = np.random.default_rng(0).standard_normal((n, 512), dtype=np.float32)
    store.write(collection(), zip(names, rows, strict=True))
    order = np.random.default_rng(1).permutation(n)
    asked = [names[i] for i in order]
    features, present = store.read(collection(), asked)
    assert present.all()
    assert (features == rows[order]).all()


def test_a_failed_transaction_leaves_nothing():
    store = FeatureStore()

    def work(connection):
        connection.execute("INSERT INTO contents (hash) VALUES ('x')")
        raise KeyError("stop")

    with pytest.raises(KeyError):
        store.database.writing(work)
    count = "SELECT COUNT(*) FROM contents"
    assert store.database.reading(lambda connection: connection.execute(count).fetchone()) == (0,)


def test_listing_says_what_there_is(tmp_path):
    assert list_collections() == []
    items = picture_items(tmp_path, 4)
    FeatureBank().features(FakeClip("abc"), items, progress=False)
    FeatureBank().features(FakeClip("abc"), items.take([0]), views=2, progress=False)
    rows = [(info.name, info.backbone, info.view, info.count, info.bytes) for info in list_collections()]
    assert sorted(rows) == [("fake", "abc", 0, 1, 32), ("fake", "abc", 0, 4, 128), ("fake", "abc", 1, 1, 32)]
    assert {info.transform.split("-")[0] for info in list_collections()} == {"eval", "train"}
    assert all(abs(info.last_used - time.time()) < 60 for info in list_collections())


def test_prune_deletes_what_was_not_used_for_long():
    store = FeatureStore()
    for name in ("old", "new"):
        store.write(collection(backbone=name, name=name), [("00", np.ones(512, np.float32))])
    age(store, "old", 40)
    assert [info.name for info in prune(older_than_days=30)] == ["old"]
    assert [info.name for info in list_collections()] == ["new"]
    age(store, "new", 40)
    store.touch([collection(backbone="new")])
    assert prune(older_than_days=30) == []


def test_prune_keeps_the_last_used_within_a_size():
    store = FeatureStore()
    for days, name in enumerate("abc"):
        store.write(collection(backbone=name, name=name), [("00", np.ones(512, np.float32))])
        age(store, name, days)
    assert [info.name for info in prune(keep_bytes=2 * 2048)] == ["c"]
    assert [info.name for info in prune(keep_bytes=0)] == ["a", "b"]
    with pytest.raises(ValueError, match="older_than_days or keep_bytes"):
        prune()


def test_ids_are_never_given_twice():
    store = FeatureStore()
    store.write(collection(name="one"), [("00", np.ones(512, np.float32))])
    (first,) = clear()
    store.write(collection(name="two"), [("11", np.ones(512, np.float32))])
    (second,) = list_collections()
    assert second.id > first.id
    ask = "SELECT id FROM contents"
    assert store.database.reading(lambda connection: connection.execute(ask).fetchone()) == (2,)


def test_clear_empties_the_file(tmp_path):
    items = picture_items(tmp_path, 50)
    clip = FakeClip()
    FeatureBank().features(clip, items, views=16, progress=False)
    store = FeatureStore()
    before = store.path.stat().st_size
    assert len(clear()) == 16
    assert list_collections() == []
    assert store.path.stat().st_size <= before
    FeatureBank().features(clip, items, progress=False)


def test_many_threads_may_make_the_database_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    def use(number):
        store = FeatureStore(tmp_path / "new" / "features.sqlite")
        store.write(collection(), [(ids(20)[number], np.full(512, number, np.float32))])

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(use, range(20)))
    features, present = FeatureStore(tmp_path / "new" / "features.sqlite").read(collection(), ids(20))
    assert present.all()
    assert (features[:, 0] == np.arange(20)).all()


def test_work_on_the_database_does_not_hold_it_open(tmp_path):
    database = Database(tmp_path / "features.sqlite")
    database.writing(lambda connection: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.sqlite", "features.sqlite.lock"]


@pytest.mark.parametrize("work", [list_collections, clear, lambda: prune(keep_bytes=0)])
def test_a_newer_cache_is_refused_with_its_place_and_what_to_do(work):
    store = FeatureStore()
    store.write(collection(), [(ids(1)[0], np.ones(512, dtype=np.float32))])
    store.database.writing(lambda connection: connection.execute("PRAGMA user_version = 99"))
    with pytest.raises(PromptlabError, match="newer promptlab") as caught:
        work()
    assert str(store.path) in str(caught.value)
    assert "Update promptlab" in str(caught.value)
