"""What a look at every image finds, and what pictures of all kinds become."""

import json
import logging

import datasets
import numpy as np
import pytest
from PIL import Image

from promptlab.data import Dataset, FileImages, Items
from promptlab.data.checks.validate import validate
from promptlab.data.readers.folder import read_folder
from promptlab.data.readers.huggingface import read_hf
from promptlab.data.readers.lists import read_csv, read_json
from promptlab.data.sources.features import FeatureRows
from promptlab.demo.datasets import demo_dataset
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import write_pictures


def dataset_of(source, train, val, test, labels=None):
    labels = np.zeros(len(source), dtype=np.int64) if labels is None else np.asarray(labels)
    parts = {
        split: Items(source, np.array(rows, dtype=np.int64), labels[rows])
        for split, rows in (("train", train), ("val", val), ("test", test))
    }
    return Dataset("mine", ("cat", "dog"), "a {}.", **parts, split_source="", split_hash="")


def test_good_images_pass(tmp_path):
    source = FileImages(tmp_path, write_pictures(tmp_path, 6))
    found = validate(dataset_of(source, [0, 1, 2], [3], [4, 5]))
    assert (found.images, found.problems, found.warnings) == (6, (), ())
    found.refuse()
    assert validate(demo_dataset("demo_textures")).images > 1000


def test_every_bad_image_is_named_at_once(tmp_path):
    names = write_pictures(tmp_path, 8, size=(64, 64))
    (tmp_path / names[1]).write_bytes(b"")
    (tmp_path / names[3]).write_bytes((tmp_path / names[3]).read_bytes()[:3000])
    (tmp_path / names[4]).write_text("<html>not found</html>")
    (tmp_path / names[7]).unlink()
    found = validate(dataset_of(FileImages(tmp_path, names), [0, 1, 2], [3], [4, 5, 6, 7, 1]))
    assert found.images == 8
    assert len(found.problems) == 4
    with pytest.raises(DatasetError) as caught:
        found.refuse()
    for name, reason in ((names[1], "the file is empty"), (names[3], "truncated"), (names[4], "image can't be read"),
                         (names[7], "image is missing")):  # fmt: skip
        assert any(name in line and reason in line for line in str(caught.value).splitlines()), name
    assert "4 problems" in str(caught.value)


def test_the_same_content_in_two_lists_is_a_warning(tmp_path):
    names = write_pictures(tmp_path, 5)
    for copy, of in (("copy_a.png", 0), ("copy_b.png", 1)):
        (tmp_path / copy).write_bytes((tmp_path / names[of]).read_bytes())
        names.append(copy)
    source = FileImages(tmp_path, names)  # 5 is 0 again, 6 is 1 again
    found = validate(dataset_of(source, [0, 1, 2], [6], [3, 4, 5]))
    assert found.warnings == (
        "1 test image is a training image too: copy_a.png is image_0000.png",
        "1 validation image is a training image too: copy_b.png is image_0001.png",
    )
    found = validate(dataset_of(source, [0, 1, 2, 5], [], [3, 4], labels=[0, 0, 0, 0, 0, 1, 0]))
    assert found.warnings == ("1 image is under two classes: image_0000.png (cat) is copy_a.png (dog)",)
    assert validate(dataset_of(source, [0, 1, 5], [3], [3, 4])).warnings == ()


def test_features_are_compared_but_not_opened():
    rows = FeatureRows(np.eye(4, dtype=np.float32)[[0, 1, 2, 0]], "f.npz")
    found = validate(dataset_of(rows, [0, 1], [], [2, 3]))
    assert found.problems == ()
    assert found.warnings == ("1 test image is a training image too: f.npz[3] is f.npz[0]",)


def gradient():
    """16-bit grey from black to white, 256 columns."""
    return np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))


@pytest.mark.parametrize("name", ["grey.png", "grey.tif"])
def test_sixteen_bit_grey_keeps_its_greys(tmp_path, name):
    Image.fromarray(gradient()).save(tmp_path / name)
    with Image.open(tmp_path / name) as stored:
        assert np.asarray(stored).max() == 65535
    picture = np.asarray(FileImages(tmp_path, [name]).open(0))
    assert picture.shape == (4, 256, 3)
    np.testing.assert_array_equal(picture[0, :, 0], np.arange(256))


def test_whole_numbers_of_32_bits_keep_their_greys(tmp_path):
    values = gradient().astype(np.int32)
    values[0, 0] = -5
    Image.fromarray(values).save(tmp_path / "grey.tif")
    picture = np.asarray(FileImages(tmp_path, ["grey.tif"]).open(0))
    np.testing.assert_array_equal(picture[0, :, 1], np.arange(256))


def test_pictures_are_not_turned_by_exif(tmp_path):
    """open_clip's transform and CoOp ignore the orientation, so published numbers do too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10), (9, 99, 200)).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as stored:
        assert stored.getexif()[0x0112] == 6
    assert FileImages(tmp_path, ["turned.jpg"]).open(0).size == (20, 10)


# one's own images are looked at when they are opened


def own_folder(tmp_path):
    for split, seed in (("train", 0), ("test", 9)):
        for name in ("cat", "dog"):
            write_pictures(tmp_path / "own" / split / name, 3, seed=seed + len(name + split), size=(64, 64))
            seed += 1
    return tmp_path / "own"


def spoil(folder):
    truncated, empty = folder / "train" / "cat" / "image_0001.png", folder / "test" / "dog" / "image_0002.png"
    truncated.write_bytes(truncated.read_bytes()[:3000])
    empty.write_bytes(b"")
    (folder / "test" / "cat" / "image_0000.png").write_text("<html>")


def as_csv(folder):
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    lines = [f"{path},{path.split('/')[1]},{path.split('/')[0]}" for path in paths]
    (folder / "list.csv").write_text("\n".join(["path,label,split", *lines]))
    return folder / "list.csv"


def as_json(folder):
    splits = {"train": [], "val": [], "test": []}
    for path in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")):
        split, name, _ = path.split("/")
        splits[split].append([path, ("cat", "dog").index(name), name])
    (folder / "list.json").write_text(json.dumps(splits))
    return folder / "list.json"


READERS = {"folder": lambda folder: (read_folder, folder), "csv": lambda folder: (read_csv, as_csv(folder)),
           "json": lambda folder: (read_json, as_json(folder))}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
def test_empty_and_truncated_files_are_named_in_one_pass(tmp_path, kind):
    folder = own_folder(tmp_path)
    reader, path = READERS[kind](folder)
    spoil(folder)
    with pytest.raises(DatasetError) as caught:
        reader("mine", path)
    message = str(caught.value)
    assert "3 problems" in message
    assert "1 image is an empty file: test/dog/image_0002.png" in message
    for name, reason in (("train/cat/image_0001.png", "truncated"), ("test/cat/image_0000.png", "cannot identify")):
        assert any(name in line and reason in line for line in message.splitlines()), name
    reader("mine", path, validate=False)  # for folders too large to look into: only what is missing is said
    (folder / "train" / "cat" / "image_0002.png").unlink()
    if kind != "folder":
        with pytest.raises(DatasetError, match=r"mine.*: 1 image is missing under .*: train/cat/image_0002\.png"):
            reader("mine", path, validate=False)


@pytest.mark.parametrize("kind", READERS)
def test_copies_are_a_warning_with_their_list(tmp_path, kind, caplog):
    folder = own_folder(tmp_path)
    copied = folder / "test" / "dog" / "copy.png"
    copied.write_bytes((folder / "train" / "dog" / "image_0000.png").read_bytes())
    reader, path = READERS[kind](folder)
    with caplog.at_level(logging.WARNING, "promptlab"):
        reader("mine", path)
    warning = "dataset mine: 1 test image is a training image too: "
    assert f"{warning}test/dog/copy.png is train/dog/image_0000.png" in caplog.text
    caplog.clear()
    reader("mine", path, validate=False)
    assert "training image" not in caplog.text


def test_links_that_lead_nowhere_are_named(tmp_path):
    folder = own_folder(tmp_path)
    (folder / "test" / "cat" / "link.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DatasetError, match=r"1 image is a link to what is missing: test/cat/link\.png"):
        read_folder("mine", folder)


def test_images_are_decoded_once_and_again_only_if_they_change(tmp_path, monkeypatch):
    folder = own_folder(tmp_path)
    opened = []
    decode = FileImages.open
    monkeypatch.setattr(FileImages, "open", lambda self, index: opened.append(index) or decode(self, index))
    read_folder("mine", folder)
    assert len(opened) == 12
    read_folder("mine", folder)
    read_csv("mine", as_csv(folder))  # the same contents
    assert len(opened) == 12
    picture = folder / "train" / "cat" / "image_0001.png"
    picture.write_bytes(picture.read_bytes()[:3000])
    with pytest.raises(DatasetError, match="truncated"):
        read_folder("mine", folder)
    with pytest.raises(DatasetError, match="truncated"):  # what is wrong is not remembered as right
        read_folder("mine", folder)


def test_bad_cells_of_a_table_are_named_in_one_pass(tmp_path):
    good = write_pictures(tmp_path, 6, size=(64, 64))
    data = [(tmp_path / name).read_bytes() for name in good]
    data[1], data[4] = data[1][:3000], b"<html>"
    cells = [{"bytes": content, "path": None} for content in data]
    cells[2] = None
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=["a"])})
    table = datasets.Dataset.from_dict({"image": cells, "label": [0] * 6}, features=features)
    table.save_to_disk(tmp_path / "saved")
    with pytest.raises(DatasetError) as caught:
        read_hf("mine", str(tmp_path / "saved"))
    assert "3 problems" in str(caught.value)
    for name in ("train[1]", "train[2]", "train[4]"):
        assert name in str(caught.value)


def test_copies_in_a_table_are_a_warning(tmp_path, caplog):
    pictures = [str(tmp_path / name) for name in write_pictures(tmp_path, 3)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a"])})
    parts = {"train": pictures[:2], "test": [pictures[2], pictures[0]]}
    tables = {
        split: datasets.Dataset.from_dict({"image": paths, "label": [0] * 2}, features=features)
        for split, paths in parts.items()
    }
    datasets.DatasetDict(tables).save_to_disk(tmp_path / "saved")
    with caplog.at_level(logging.WARNING, "promptlab"):
        read_hf("mine", str(tmp_path / "saved"))
    assert "1 test image is a training image too: test[1] is train[0]" in caplog.text
