"""Bad pictures of one's own: left out on request, whatever lists them, and said."""

import csv
import json
import logging

import datasets
import pytest

from promptlab.data.checks import decoding
from promptlab.data.readers.folder import read_folder
from promptlab.data.readers.huggingface import read_hf
from promptlab.data.readers.lists import read_csv, read_json
from promptlab.data.sources.files import FileImages
from promptlab.support.errors import DatasetError
from tests.helpers.fakes import write_pictures


@pytest.fixture
def folder(tmp_path):
    """Ten pictures of two classes, of which three can't be read."""
    for seed, name in enumerate(("cat", "dog")):
        write_pictures(tmp_path / name, 10, seed=seed, size=(64, 64))
    truncated = tmp_path / "cat" / "image_0001.png"
    truncated.write_bytes(truncated.read_bytes()[:3000])
    (tmp_path / "cat" / "image_0004.png").write_bytes(b"")
    return tmp_path


def listed(folder):
    return [(f"{name}/image_{place:04d}.png", name) for name in ("cat", "dog") for place in range(10)]


def split(place):
    return ("train", "test")[place % 2]


def as_folder(folder):
    return read_folder, folder


def as_csv(folder):
    (folder / "cat" / "image_0006.png").unlink(missing_ok=True)
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *listed(folder)])
    return read_csv, folder / "list.csv"


def as_json(folder):
    (folder / "cat" / "image_0006.png").unlink(missing_ok=True)
    lists = {"train": [], "val": [], "test": []}
    for place, (path, name) in enumerate(listed(folder)):
        lists[split(place)].append([path, ("cat", "dog").index(name), name])
    (folder / "list.json").write_text(json.dumps(lists))
    return read_json, folder / "list.json"


def as_table(folder):
    cells = [{"bytes": (folder / path).read_bytes(), "path": None} for path, _ in listed(folder)]
    cells[6] = None
    labels = [name == "dog" for _, name in listed(folder)]
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    table = datasets.Dataset.from_dict({"image": cells, "label": labels}, features=features)
    table.save_to_disk(folder / "saved")
    return read_hf, str(folder / "saved")


KINDS = {"folder": as_folder, "csv": as_csv, "json": as_json, "hf": as_table}


@pytest.mark.parametrize("kind", KINDS)
def test_bad_pictures_are_left_out_and_named(folder, kind, caplog):
    reader, path = KINDS[kind](folder)
    with pytest.raises(DatasetError, match=r"skip_bad=true leaves out|problems|missing"):
        reader("mine", path)
    with caplog.at_level(logging.WARNING, "promptlab"):
        data = reader("mine", path, skip_bad=True)
    bad = 2 if kind == "folder" else 3
    assert sum(len(part) for part in (data.train, data.val, data.test)) == 20 - bad
    (note,) = data.notes
    assert note.startswith(f"{bad} images can't be read and are left out (skip_bad): ")
    assert "truncated" in note
    assert ("missing" in note) == (bad == 3)
    assert note in caplog.text
    for items in (data.train, data.val, data.test):
        for index in items.indices.tolist():
            items.source.open(index)
    assert reader("mine", path, skip_bad=True, validate=False).split_hash == data.split_hash


def test_the_draw_is_that_of_a_folder_without_them(folder):
    left = read_folder("mine", folder, skip_bad=True)
    for name in ("image_0001.png", "image_0004.png"):
        (folder / "cat" / name).unlink()
    assert read_folder("mine", folder).split_hash == left.split_hash
    assert read_folder("mine", folder, skip_bad=True).notes == ()


def test_a_class_without_good_pictures_is_refused_with_the_bad_ones(tmp_path):
    write_pictures(tmp_path / "cat", 4, size=(64, 64))
    (tmp_path / "dog").mkdir()
    for place in range(3):
        (tmp_path / "dog" / f"{place}.png").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        read_folder("mine", tmp_path, skip_bad=True)
    assert "classes have no training images" in str(caught.value) or "dog" in str(caught.value)
    assert "3 images can't be read and are left out (skip_bad): dog/0.png (empty)" in str(caught.value)


def test_only_the_bad_ones_are_decoded_again(folder, monkeypatch, own_cache):
    opened = []
    decode = FileImages.open
    monkeypatch.setattr(FileImages, "open", lambda self, index: opened.append(index) or decode(self, index))
    read_folder("mine", folder, skip_bad=True)
    assert len(opened) == 19  # the empty one isn't opened
    read_folder("mine", folder, skip_bad=True)
    assert len(opened) == 20
    assert len(list((own_cache / "looked").iterdir())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"bad": 1, "remarks": {}}', '{"bad": [], "remarks": {"a": 1}}'])
def test_a_damaged_memory_is_no_memory(folder, own_cache, content):
    first = read_folder("mine", folder, skip_bad=True)
    for file in (own_cache / "looked").iterdir():
        file.write_text(content)
    assert read_folder("mine", folder, skip_bad=True).notes == first.notes


def test_another_limit_is_another_look(tmp_path):
    for name in ("cat", "dog"):
        write_pictures(tmp_path / name, 4, size=(64, 64))
    read_folder("mine", tmp_path)
    with pytest.raises(DatasetError, match="more than max_pixels=4095 in all"):
        read_folder("mine", tmp_path, max_pixels=4095)
    assert decoding.ONE_COLOUR not in str(read_folder("mine", tmp_path).notes)
