import multiprocessing
import sqlite3
import time
import zlib

import numpy as np
import pytest
import torch

from promptlab.data import FileImages, Items
from promptlab.features import FeatureBank
from promptlab.features import bank as feature_bank_module
from promptlab.features.upkeep import clear, damaged_rows, list_collections
from promptlab.support.database import CacheError
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import FakeClip, picture_items, write_pictures


def test_features_are_those_of_the_evaluation_transform(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 10)
    features = FeatureBank().features(clip, items, progress=False)
    assert features.shape == (10, 8)
    torch.testing.assert_close(features, clip.expected(items))


def test_each_distinct_image_is_encoded_once_whatever_lists_it_appears_in(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 10)
    bank = FeatureBank()
    all_of_them = bank.features(clip, items, progress=False)
    repeated = bank.features(clip, items.take([7, 3, 3, 0, 7]), progress=False)
    assert torch.equal(repeated, all_of_them[[7, 3, 3, 0, 7]])
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "same.png").write_bytes((tmp_path / "image_0004.png").read_bytes())
    elsewhere = Items(FileImages(copy, ["same.png"]), np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert torch.equal(FeatureBank().features(FakeClip(), elsewhere), all_of_them[[4]])
    assert clip.encoded == 10


def test_duplicates_inside_one_list_are_encoded_once(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 3)
    features = FeatureBank().features(clip, items.take([2, 0, 2, 1, 0]), progress=False)
    assert clip.encoded == 3
    torch.testing.assert_close(features, clip.expected(items)[[2, 0, 2, 1, 0]])


def test_batches_have_one_shape_and_neighbours_do_not_matter(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 10)
    together = FeatureBank(tmp_path / "a.sqlite").features(clip, items, batch_size=4, progress=False)
    alone = FeatureBank(tmp_path / "b.sqlite").features(clip, items.take([9]), batch_size=4, progress=False)
    assert set(clip.shapes) == {(4, 3, 16, 16)}
    assert torch.equal(alone, together[[9]])


def test_views_are_drawn_from_the_image_not_from_the_list(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 6)
    bank = FeatureBank()
    three = bank.features(clip, items, views=3, batch_size=4, progress=False)
    assert three.shape == (6, 3, 8)
    assert len({tuple(row) for row in three.flatten(0, 1).tolist()}) == 18
    other = FeatureBank(tmp_path / "other.sqlite")
    torch.manual_seed(99)
    backwards = other.features(clip, items.take([5, 3, 1]), views=2, batch_size=4, progress=False)
    assert torch.equal(backwards, three[[5, 3, 1], :2])
    encoded = clip.encoded
    five = bank.features(clip, items, views=5, batch_size=4, progress=False)
    assert torch.equal(five[:, :3], three)
    assert clip.encoded == encoded + 12  # two more views of six images
    assert not torch.equal(bank.features(clip, items, views=3, crop_scale=(0.5, 1.0), progress=False), three)


def test_backbones_are_kept_apart(tmp_path):
    items = picture_items(tmp_path, 2)
    one, two = FakeClip("one"), FakeClip("two")
    for clip in (one, two, one):
        FeatureBank().features(clip, items, progress=False)
    assert (one.encoded, two.encoded) == (2, 2)


def test_no_items_are_no_features(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 1).take([])
    assert FeatureBank().features(clip, items).shape == (0, 8)
    assert FeatureBank().features(clip, items, views=2).shape == (0, 2, 8)


def test_progress_shows_while_encoding_and_not_when_all_is_there(tmp_path, monkeypatch):
    shown = []
    bar = feature_bank_module.image_progress
    monkeypatch.setattr(
        feature_bank_module,
        "image_progress",
        lambda text, total, show: shown.append((text, total)) or bar(text, 0, show),
    )
    items = picture_items(tmp_path, 5)
    for _ in range(2):
        FeatureBank().features(FakeClip(), items)
    assert shown == [("encoding with fake", 5)]


def test_unreadable_images_are_named_together_and_the_others_kept(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 10)
    (tmp_path / "image_0003.png").write_bytes(b"")
    (tmp_path / "image_0007.png").write_bytes((tmp_path / "image_0007.png").read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"2 images can't be read:[\s\S]*image_0003[\s\S]*image_0007"):
        FeatureBank().features(clip, items, progress=False)
    assert clip.encoded == 8
    write_pictures(tmp_path, 10, seed=1)
    FeatureBank().features(clip, items.take([0, 1]), progress=False)


def test_many_unreadable_images_stop_early(tmp_path):
    items = picture_items(tmp_path, 40)
    for number in range(40):
        (tmp_path / f"image_{number:04d}.png").write_bytes(b"broken %d" % number)
    with pytest.raises(DatasetError, match="at least 20 images can't be read"):
        FeatureBank().features(FakeClip(), items, progress=False)


def test_a_backbone_that_gives_nan_is_refused(tmp_path):
    clip = FakeClip()
    clip.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        FeatureBank().features(clip, picture_items(tmp_path, 2), progress=False)


@pytest.mark.parametrize("wrong", [{"views": -1}, {"batch_size": 0}, {"views": 1, "crop_scale": (0.5, 2.0)}])
def test_wrong_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"{list(wrong)[-1]}="):
        FeatureBank().features(FakeClip(), picture_items(tmp_path, 1), **wrong)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE features SET feature = zeroblob(32) WHERE id IN (SELECT id FROM features LIMIT 2)",
        "UPDATE features SET feature = substr(feature, 1, 31) WHERE id IN (SELECT id FROM features LIMIT 2)",
        "DELETE FROM features WHERE id IN (SELECT id FROM features LIMIT 2)",
    ],
)
def test_damaged_rows_are_noticed_and_encoded_again(tmp_path, damage, caplog):
    clip, items = FakeClip(), picture_items(tmp_path, 5)
    bank = FeatureBank()
    before = bank.features(clip, items, progress=False)
    with sqlite3.connect(bank.path) as connection:
        connection.execute(damage)
    connection.close()
    assert torch.equal(bank.features(clip, items, progress=False), before)
    assert clip.encoded == 7
    assert ("2 damaged rows" in caplog.text) == ("DELETE" not in damage)
    assert bank.features(clip, items, progress=False).shape == (5, 8)
    assert clip.encoded == 7


@pytest.mark.parametrize("contents", [b"this is no database, whatever its name says" * 100, "tail"])
def test_a_damaged_database_is_moved_aside(tmp_path, contents, caplog):
    clip, items = FakeClip(), picture_items(tmp_path / "pictures", 50)
    bank = FeatureBank(tmp_path / "cache" / "features.sqlite")
    before = bank.features(clip, items, progress=False)
    if contents == "tail":
        data = bank.path.read_bytes()
        contents = data[:32768] + b"\xff" * (len(data) - 32768)
    bank.path.write_bytes(contents)
    assert torch.equal(bank.features(clip, items, progress=False), before)
    assert clip.encoded == 100
    aside = list(bank.path.parent.glob("features.sqlite.damaged-*"))
    assert len(aside) == 1
    assert aside[0].read_bytes() == contents
    assert "is damaged" in caplog.text


def test_a_row_in_anothers_place_is_noticed(tmp_path, caplog):
    clip, items = FakeClip(), picture_items(tmp_path, 5)
    bank = FeatureBank()
    before = bank.features(clip, items, progress=False)
    with sqlite3.connect(bank.path) as connection:
        (first, *_), (second, *_) = connection.execute("SELECT id FROM features ORDER BY id LIMIT 2").fetchall()
        for now, then in ((first, -1), (second, first), (-1, second)):
            connection.execute("UPDATE features SET id = ? WHERE id = ?", (then, now))
    connection.close()
    assert torch.equal(bank.features(clip, items, progress=False), before)
    assert clip.encoded == 7
    assert "2 damaged rows" in caplog.text


def test_rows_of_earlier_versions_are_read(tmp_path):
    """Their checksum is of the feature alone."""
    clip, items = FakeClip(), picture_items(tmp_path, 5)
    bank = FeatureBank()
    before = bank.features(clip, items, progress=False)
    with sqlite3.connect(bank.path) as connection:
        connection.create_function("crc32", 1, zlib.crc32)
        connection.execute("UPDATE features SET checksum = crc32(feature)")
    connection.close()
    assert torch.equal(bank.features(clip, items, progress=False), before)
    assert clip.encoded == 5
    assert damaged_rows(bank.path) == (5, 0)


def test_verify_counts_damaged_rows(tmp_path):
    bank = FeatureBank()
    bank.features(FakeClip(), picture_items(tmp_path, 5), progress=False)
    with sqlite3.connect(bank.path) as connection:
        connection.execute("UPDATE features SET feature = zeroblob(32) WHERE id IN (SELECT id FROM features LIMIT 2)")
    connection.close()
    assert damaged_rows(bank.path) == (5, 2)


def test_whoever_clears_the_cache_takes_nothing_from_a_call_at_work(tmp_path):
    class Cleared(FakeClip):
        def encode_images(self, images, **form):
            clear()
            return super().encode_images(images, **form)

    clip, items = Cleared(), picture_items(tmp_path, 80)
    features = FeatureBank().features(clip, items, batch_size=4, progress=False)
    torch.testing.assert_close(features, clip.expected(items))
    assert clip.encoded == 80


def test_processes_that_find_the_same_damage_move_it_aside_once(tmp_path):
    items = picture_items(tmp_path, 40)
    path = FeatureBank().path
    for number in range(3):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"this is no database" * 100)
        running = start(4, items, 0.002)
        for process, _ in running:
            process.join(60)
            assert process.exitcode == 0
        assert len(list(path.parent.glob("features.sqlite.damaged-*"))) == number + 1
        assert sum(info.count for info in list_collections()) == 40


def test_a_newer_database_and_an_impossible_place_are_refused(tmp_path):
    items = picture_items(tmp_path / "pictures", 1)
    bank = FeatureBank(tmp_path / "features.sqlite")
    bank.features(FakeClip(), items, progress=False)
    with sqlite3.connect(bank.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CacheError, match="newer promptlab"):
        bank.features(FakeClip(), items, progress=False)
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="PROMPTLAB_CACHE"):
        FeatureBank(tmp_path / "file" / "features.sqlite").features(FakeClip(), items, progress=False)


def encode(items, seconds, encoded, together):
    torch.set_num_threads(1)  # OpenMP's threads don't survive a fork
    clip = FakeClip(seconds_per_batch=seconds)
    together.wait(60)
    FeatureBank().features(clip, items, batch_size=4, progress=False)
    encoded.value = clip.encoded


def start(count, items, seconds):
    """Processes that begin to encode at the same moment, with what each has encoded in the end."""
    fork = multiprocessing.get_context("fork")
    together, running = fork.Barrier(count), []
    for _ in range(count):
        encoded = fork.Value("i", -1)
        running.append((fork.Process(target=encode, args=(items, seconds, encoded, together)), encoded))
        running[-1][0].start()
    return running


def test_a_killed_run_resumes_where_it_stood(tmp_path):
    items = picture_items(tmp_path, 200)
    ((process, _),) = start(1, items, 0.3)  # 15 s for 50 batches
    deadline = time.monotonic() + 30
    while sum(info.count for info in list_collections()) < 20:
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.02)
    process.kill()
    process.join()
    kept = sum(info.count for info in list_collections())
    assert 20 <= kept < 200
    clip = FakeClip()
    features = FeatureBank().features(clip, items, batch_size=4, progress=False)
    assert clip.encoded == 200 - kept
    torch.testing.assert_close(features, clip.expected(items))


def test_two_processes_share_the_work(tmp_path):
    items = picture_items(tmp_path, 320)
    running = start(2, items, 0.04)
    for process, _ in running:
        process.join(60)
        assert process.exitcode == 0
    assert sum(encoded.value for _, encoded in running) == 320
    assert min(encoded.value for _, encoded in running) > 0
    clip = FakeClip()
    features = FeatureBank().features(clip, items, batch_size=4, progress=False)
    assert clip.encoded == 0
    torch.testing.assert_close(features, clip.expected(items))
