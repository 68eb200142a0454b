import os

import numpy as np
import pytest
from PIL import Image

from promptlab.data import FileImages, Items, check_images
from promptlab.data import hashing as hashing_module
from promptlab.data.items import ImageSource
from promptlab.features.store import FeatureStore
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import write_pictures


def settle(folder):
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))


def test_files_are_an_image_source(tmp_path):
    images = FileImages(tmp_path, ["straße/ä.png", "b.png", ""])
    assert isinstance(images, ImageSource)
    assert [images.describe(i) for i in range(len(images))] == ["straße/ä.png", "b.png", ""]
    with pytest.raises(IndexError):
        images.describe(3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA", "CMYK"])
def test_every_kind_of_picture_opens_as_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (5, 7), (200, 10, 30)).convert(mode).save(path)
    picture = FileImages(tmp_path, [path.name]).open(0)
    assert (picture.mode, picture.size) == ("RGB", (5, 7))


def test_unreadable_pictures_are_named(tmp_path):
    write_pictures(tmp_path, 1, size=(64, 64))
    data = (tmp_path / "image_0000.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("<html>not found</html>")
    images = FileImages(tmp_path, ["truncated.png", "empty.png", "text.png", "gone.png"])
    for index, message in enumerate(("truncated", "empty.png .the file is empty", r"text\.png", r"missing: .*gone")):
        with pytest.raises(DatasetError, match=message):
            images.open(index)


def test_pictures_can_be_read_before_training(tmp_path):
    names = write_pictures(tmp_path, 4)
    items = Items(FileImages(tmp_path, names), np.arange(4), np.zeros(4, dtype=np.int64))
    check_images(items, decode=True)
    (tmp_path / names[2]).write_bytes(b"")
    check_images(items)
    with pytest.raises(DatasetError, match=r"image_0002\.png .the file is empty"):
        check_images(items, decode=True)


def test_missing_pictures_are_counted_and_the_first_named(tmp_path):
    names = write_pictures(tmp_path / "there", 2)
    listed = [f"there/{name}" for name in names] + [f"gone/{i}.png" for i in range(7)] + ["there/x.png"]
    images = FileImages(tmp_path, listed)
    items = Items(images, np.arange(10), np.zeros(10, dtype=np.int64))
    for check in (check_images, Items.content_ids):
        with pytest.raises(DatasetError, match=r"8 of 10 images are missing .*gone/0\.png, .* and 3 more"):
            check(items)
        check(items.take([0, 1, 1]))
    with pytest.raises(DatasetError, match=r"image folder is missing: .*nowhere"):
        FileImages(tmp_path / "nowhere", ["a.png"]).check([0])


def test_content_ids_are_equal_exactly_when_the_bytes_are(tmp_path):
    write_pictures(tmp_path, 2)
    (tmp_path / "copy.png").write_bytes((tmp_path / "image_0000.png").read_bytes())
    images = FileImages(tmp_path, ["image_0000.png", "image_0001.png", "copy.png"])
    ids = images.content_ids([0, 1, 2, 0])
    assert ids[0] == ids[2] == ids[3] != ids[1]
    assert all(len(bytes.fromhex(one)) == 16 for one in ids)


def test_hashes_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    names = write_pictures(tmp_path / "a", 3)
    settle(tmp_path / "a")
    images = FileImages(tmp_path / "a", names)
    ids = images.content_ids([0, 1, 2])
    read = []
    hash_file = hashing_module._hash_file
    monkeypatch.setattr(hashing_module, "_hash_file", lambda path: read.append(path) or hash_file(path))
    assert images.content_ids([2, 1, 0]) == ids[::-1]
    assert read == []
    (tmp_path / "a" / names[1]).write_bytes(b"changed")
    assert images.content_ids([0])[0] == ids[0]
    assert images.content_ids([1])[0] != ids[1]
    assert read == [images.path(1)]
    images.content_ids([1])  # changed a moment ago: another change might keep size and time, so it is read again
    assert len(read) == 2


def test_a_read_only_picture_folder_is_enough(tmp_path):
    names = write_pictures(tmp_path / "a", 1)
    os.chmod(tmp_path / "a", 0o500)
    assert FileImages(tmp_path / "a", names).content_ids([0])
    assert FeatureStore().path.exists()
