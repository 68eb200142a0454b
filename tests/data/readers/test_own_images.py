"""A user's own images: in folders, in tables, in CoOp's JSON and in Hugging Face tables."""

import builtins
import json
import logging
import pickle
import tracemalloc
from collections import Counter

import datasets
import numpy as np
import pytest
from hydra.utils import get_method
from omegaconf import OmegaConf
from PIL import Image

from promptlab.class_text.names import names_for, names_of_numbers, read_class_names
from promptlab.data import FileImages
from promptlab.data.hold_out import draw_split
from promptlab.data.items import ImageSource
from promptlab.data.readers.folder import read_folder
from promptlab.data.readers.huggingface import read_hf
from promptlab.data.readers.lists import read_csv, read_json
from promptlab.support.errors import DatasetError
from promptlab.support.paths import conf_dir
from tests.helpers.fakes import write_pictures


def classes(folder, counts):
    for seed, (name, n) in enumerate(counts.items()):
        write_pictures(folder / name, n, seed=hash_of(name) + seed, size=(8, 6))
    return folder


def hash_of(name):
    return sum(name.encode())


def listed(items):
    return [items.source.describe(int(index)) for index in items.indices]


def content(data):
    return {split: list(zip(listed(getattr(data, split)), getattr(data, split).labels.tolist(), strict=True))
            for split in ("train", "val", "test")}  # fmt: skip


# the drawn split


@pytest.mark.parametrize(
    ("n", "parts"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1)), (5, (2, 1, 2)), (10, (5, 2, 3)),
                     (100, (50, 20, 30))]
)  # fmt: skip
def test_shares_of_a_drawn_split(n, parts):
    counts = Counter(draw_split(["a"] * n, seed=1))
    assert (counts["train"], counts["val"], counts["test"]) == parts


def test_a_draw_follows_its_seed_and_no_other_class():
    cats = ["cat"] * 20
    assert draw_split(cats, seed=1) == draw_split(cats, seed=1) != draw_split(cats, seed=2)
    mixed = draw_split([*(["ant"] * 3), *cats, *(["dog"] * 7)], seed=1)
    assert mixed[3:23] == draw_split(cats, seed=1)
    assert draw_split(["cat"] * 4, seed=1) == ["train", "val", "test", "train"]


# folders


def test_split_folders(tmp_path):
    for split, n in (("train", 3), ("validation", 1), ("test", 2)):
        classes(tmp_path / split, {"polar_bear": n, "ant": n})
    (tmp_path / "train" / "ant" / ".DS_Store").touch()
    data = read_folder("mine", tmp_path)
    assert (data.name, data.class_names, data.template) == ("mine", ("ant", "polar_bear"), "a photo of a {}.")
    assert content(data)["train"][2:4] == [("train/ant/image_0002.png", 0), ("train/polar_bear/image_0000.png", 1)]
    assert content(data)["val"] == [("validation/ant/image_0000.png", 0), ("validation/polar_bear/image_0000.png", 1)]
    assert len(data.test) == 4
    data.test.source.check(range(12))


def test_without_a_validation_folder_there_are_no_validation_images(tmp_path):
    for split in ("train", "test"):
        classes(tmp_path / split, {"a": 1, "b": 1})
    assert len(read_folder("mine", tmp_path).val) == 0


def test_class_folders_are_split_by_their_own_seed(tmp_path):
    classes(tmp_path, {"cat": 10, "dog": 5})
    data = read_folder("mine", tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (7, 3, 5)
    everything = [name for part in content(data).values() for name, _ in part]
    assert len(set(everything)) == 15
    assert content(read_folder("mine", tmp_path)) == content(data)
    other = read_folder("mine", tmp_path, split_seed=2)
    assert content(other) != content(data)
    assert other.split_hash != data.split_hash
    assert other.split_source == "drawn from folders (split_seed=2)"


def test_images_in_folders_inside_a_class_count_and_other_files_are_reported(tmp_path, caplog):
    classes(tmp_path, {"cat": 2, "dog": 2, "dog/more": 2})
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "README.md").touch()
    with caplog.at_level(logging.WARNING, "promptlab"):
        data = read_folder("mine", tmp_path)
    assert Counter(label for part in content(data).values() for _, label in part) == {0: 2, 1: 4}
    assert "2 files are ignored, which are no images or in no class's folder: README.md, cat/notes.txt" in caplog.text


def test_a_class_may_be_called_train(tmp_path):
    classes(tmp_path, {"bus": 2, "train": 2})
    assert read_folder("mine", tmp_path).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"train/a": 1, "test/a": 1, "extra/a": 1}, "train and test folders and others beside them: extra"),
        ({"train/a": 1}, "a folder train but none for test"),
        ({"train/a": 1, "val/a": 1, "valid/a": 1, "test/a": 1}, "two folders for val: val and valid"),
        ({"train/a": 1, "test/a": 1, "test/b": 1}, "1 classes have no training images: b"),
        ({"a": 1, "b": 1}, "no class has two images, one to train on and one to test"),
        ({"a": 3, "b": 0}, "1 classes have no training images: b"),
        ({}, "holds no folders of images"),
    ],
)
def test_unclear_folders_are_refused(tmp_path, folders, message):
    with pytest.raises(DatasetError, match=message):
        read_folder("mine", classes(tmp_path, folders))


def test_everything_wrong_is_named_at_once(tmp_path):
    classes(tmp_path, {"a": 4, "b": 1, "c": 0, "d": 4})
    (tmp_path / "a" / "image_0000.png").write_bytes(b"")
    (tmp_path / "d" / "image_0002.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="3 problems") as caught:
        read_folder("mine", tmp_path, class_names={"zebra": "z"})
    message = str(caught.value)
    for part in ("no training images: c", "what is no class: zebra",
                 "2 images are empty files: a/image_0000.png, d/image_0002.png"):  # fmt: skip
        assert part in message, part


def test_a_missing_path_is_said():
    for target, what in ((read_folder, "folder of images"), (read_csv, "CSV file"), (read_json, "JSON file")):
        with pytest.raises(DatasetError, match=rf"needs a {what}: set dataset\.path="):
            target("mine", None)
        with pytest.raises(DatasetError, match=rf"there is no a? ?{what} at .*nowhere"):
            target("mine", "nowhere")


# class names


def test_names_by_line_or_by_key(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("tabby cat\n\nhound: a dog\n")
    assert names_for(["cat", "dog"], str(names)) == ("tabby cat", "hound: a dog")
    names.write_text("dog: hound\n")
    assert names_for(["cat", "dog"], str(names)) == ("cat", "hound")
    names.write_text("n01\ta cat: striped\nn02\thound\n")
    assert names_for(["n02", "n01"], str(names)) == ("hound", "a cat: striped")
    assert names_for(["cat"], None) == ("cat",)
    assert names_for(["cat"], {"cat": "tabby"}) == names_for(["cat"], ["tabby"]) == ("tabby",)
    assert names_of_numbers({"1": "dog", "0": "cat"}) == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "message"),
    [("one\n", "1 class names .* for 2 classes, which are in this order: cat, dog"), ("bird: b\n", "no class: bird"),
     ("\n", "is empty"), ("cat: a\ncat: b\n", "more than once: cat")],
)  # fmt: skip
def test_names_that_dont_fit(tmp_path, text, message):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        names_for(["cat", "dog"], str(tmp_path / "names.txt"))
    with pytest.raises(DatasetError, match="can't be read"):
        read_class_names(tmp_path / "gone.txt")
    with pytest.raises(DatasetError, match="need the keys 0 to 1"):
        names_of_numbers({"1": "a", "2": "b"})


def test_names_and_template_of_a_folder(tmp_path):
    classes(tmp_path / "images", {"n01": 2, "n02": 2})
    (tmp_path / "names.txt").write_text("n02\tpolar bear\n")
    data = read_folder(
        "mine", tmp_path / "images", class_names=str(tmp_path / "names.txt"), template="a drawing of a {}."
    )
    assert (data.class_names, data.template) == (("n01", "polar bear"), "a drawing of a {}.")
    with pytest.raises(ValueError, match="exactly one"):
        read_folder("mine", tmp_path / "images", template="no place")


# tables


def table(folder, text):
    classes(folder, {"cat": 4, "dog": 4})
    (folder / "list.csv").write_text(text)
    return folder / "list.csv"


ROWS = """path,label,split,who
cat/image_0000.png,cat,train,me
dog/image_0000.png,dog,Train,me
cat/image_0001.png,cat,valid,me
dog/image_0001.png,dog,test,me
"""


def test_a_table_with_splits(tmp_path):
    data = read_csv("mine", table(tmp_path, ROWS))
    assert content(data) == {
        "train": [("cat/image_0000.png", 0), ("dog/image_0000.png", 1)],
        "val": [("cat/image_0001.png", 0)],
        "test": [("dog/image_0001.png", 1)],
    }
    assert (data.class_names, data.split_source) == (("cat", "dog"), "csv (list.csv)")
    assert data.test.source.open(3).mode == "RGB"


def test_a_table_without_splits_is_drawn(tmp_path):
    rows = "\n".join(f"{name}/image_000{i}.png,{name}" for name in ("dog", "cat") for i in range(4))
    data = read_csv("mine", table(tmp_path, f"Path , LABEL\n{rows}\n"))
    assert (len(data.train), len(data.val), len(data.test)) == (4, 2, 2)
    assert content(read_csv("mine", tmp_path / "list.csv", split_seed=3)) != content(data)


def test_labels_that_are_numbers_take_names(tmp_path):
    file = table(tmp_path, ROWS.replace(",cat,", ",1,").replace(",dog,", ",0,"))
    (tmp_path / "names.txt").write_text("hound\ntabby\n")
    data = read_csv("mine", file, class_names=str(tmp_path / "names.txt"))
    assert data.class_names == ("hound", "tabby")
    assert data.train.labels.tolist() == [1, 0]
    with pytest.raises(DatasetError, match=r"labels are numbers: set dataset\.class_names"):
        read_csv("mine", file)
    with pytest.raises(DatasetError, match="1 labels lie outside 0 to 0: 1"):
        read_csv("mine", file, class_names=["hound"])
    with pytest.raises(DatasetError, match="1 classes have no training images: 2"):
        read_csv("mine", file, class_names=["hound", "tabby", "third"])
    file.write_text(file.read_text().replace(",1,", ",2,").replace(",0,", ",1,"))
    with pytest.raises(DatasetError, match=r"list\.csv.*labels run from 1 to 2; they must start at 0"):
        read_csv("mine", file, class_names=["hound", "tabby"])


def test_tables_as_other_programs_write_them(tmp_path):
    """A byte order mark, CRLF, quotes, spaces, commas in names, columns in capitals and another order."""
    file = table(tmp_path, "")
    lines = ['"Split","LABEL","Path"', '"train","cat, tabby","cat/image_0000.png"', "train, dog ,dog/image_0000.png",
             '"test","cat, tabby","cat/image_0001.png"', "", "test,dog,./dog/image_0001.png"]  # fmt: skip
    file.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    data = read_csv("mine", file)
    assert data.class_names == ("cat, tabby", "dog")
    assert content(data)["test"] == [("cat/image_0001.png", 0), ("dog/image_0001.png", 1)]
    file.write_bytes("path,label\ncat/image_0000.png,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="A UTF-8 CSV file is needed"):
        read_csv("mine", file)


def test_images_may_lie_elsewhere(tmp_path):
    file = table(tmp_path, ROWS)
    moved = tmp_path / "lists" / "list.csv"
    moved.parent.mkdir()
    file.rename(moved)
    there = read_csv("mine", moved, images=str(tmp_path))
    assert listed(there.train) == ["cat/image_0000.png", "dog/image_0000.png"]
    for prefix in ("../", f"{tmp_path}/"):  # what tools write: paths upwards, and absolute ones
        moved.write_text(ROWS.replace("cat/", f"{prefix}cat/").replace("dog/", f"{prefix}dog/"))
        data = read_csv("mine", moved)
        assert data.train.content_ids() == there.train.content_ids()
        assert data.split_hash == there.split_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,label\na.png,cat\n", "no column path; it has picture, label"),
        ("path,label\na.png,cat, tabby\n", r"1 rows have more cells than columns .*: line 2"),
        ("path,label\n", "no rows"),
        ("path,label\ncat/image_0000.png,\n", "no path or no label: line 2"),
        (ROWS.replace("1.png,cat", "1.png,NaN"), "1 rows have no path or no label: line 4"),
        (ROWS.replace(",cat,", ",0.0,").replace(",dog,", ",1.0,"), "2 labels are numbers, but not whole .*: 0.0, 1.0"),
        (ROWS.replace(",cat,", ",0,").replace(",dog,", ",-1,"), "1 labels are numbers, but not whole ones from 0: -1"),
        (ROWS.replace("valid", "holdout"), r"1 rows have an unknown split .*: holdout \(line 4\)"),
        (ROWS.replace("cat/image_0001.png", "cat/notes.txt"), r"don't end as images do: cat/notes\.txt"),
        (ROWS.replace("image_0001", "image_0009"), "2 images are missing under .*: cat/image_0009.png, dog/image_0009"),
        (ROWS.replace("dog/image_0001", "dog/image_0000"), "listed twice.*: dog/image_0000"),
        (ROWS.replace(",test,", ",val,"), "there are no test images"),
        (ROWS.replace("dog,Train", "cat,Train"), "1 classes have no training images: dog"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, message):
    with pytest.raises(DatasetError, match=message):
        read_csv("mine", table(tmp_path, text))


@pytest.mark.parametrize(
    ("head", "separator"),
    [("Filename,Class", ","), ("file_name;Label", ";"), ("Image Path\tcategory", "\t"), ("sep=;\npath;label", ";")],
)
def test_columns_and_separators_as_people_have_them(tmp_path, head, separator):
    rows = [f"{name}/image_000{i}.png{separator}{name}" for name in ("dog", "cat") for i in range(4)]
    data = read_csv("mine", table(tmp_path, "\n".join([head, *rows, separator, ""])))
    assert (data.class_names, data.class_origins) == (("cat", "dog"), ("cat", "dog"))
    assert (len(data.train), len(data.val), len(data.test)) == (4, 2, 2)


def test_labels_may_be_any_numbers_that_are_named(tmp_path):
    file = table(tmp_path, ROWS.replace(",cat,", ",10,").replace(",dog,", ",9,"))
    data = read_csv("mine", file, class_names={9: "hound", 10: "tabby"})
    assert (data.class_names, data.train.labels.tolist()) == (("hound", "tabby"), [1, 0])


def test_labels_in_two_unicode_forms_are_one_class(tmp_path):
    text = ROWS.replace(",cat,train", ",cafe\u0301,train").replace(",cat,", ",caf\u00e9,")
    assert read_csv("mine", table(tmp_path, text)).class_names == ("caf\u00e9", "dog")


def test_backslashes_in_names_of_files_stay(tmp_path):
    table(tmp_path, "")
    (tmp_path / "cat" / "image_0000.png").rename(tmp_path / "a\\b.png")
    (tmp_path / "list.csv").write_text(ROWS.replace("cat/image_0000.png", "a\\b.png"))
    assert "a\\b.png" in listed(read_csv("mine", tmp_path / "list.csv").train)


# CoOp's JSON


def test_a_large_label_takes_no_memory(tmp_path):
    classes(tmp_path, {"cat": 1, "dog": 1})
    rows = [["cat/image_0000.png", 0, "cat"], ["dog/image_0000.png", 30_000_000, "dog"]]
    (tmp_path / "split.json").write_text(json.dumps({"train": rows, "val": [], "test": rows}))
    tracemalloc.start()
    with pytest.raises(DatasetError, match="label 30000000 is too large for 2 images: labels count from 0"):
        read_json("mine", tmp_path / "split.json")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_coops_lists_may_have_a_byte_order_mark_backslashes_and_rows_twice(tmp_path):
    classes(tmp_path / "images", {"cat": 2, "dog": 2})
    rows = {split: [[f"images\\{name}\\image_000{i}.png", label, name] for label, name in enumerate(("cat", "dog"))] * 2
            for i, split in enumerate(("train", "test"))}  # fmt: skip
    (tmp_path / "split.json").write_bytes(json.dumps(rows | {"val": []}).encode("utf-8-sig"))
    data = read_json("mine", tmp_path / "split.json")
    assert content(data)["test"] == [("images/cat/image_0001.png", 0), ("images/dog/image_0001.png", 1)]
    assert data.notes[0].startswith("4 rows repeat others and are left out: images/cat/image_0000.png, ")


def test_coops_form_at_any_place(tmp_path):
    classes(tmp_path / "images", {"cat": 3, "dog": 3})
    rows = {split: [[f"{name}/image_000{i}.png", label, name] for label, name in enumerate(("cat", "dog"))]
            for i, split in enumerate(("train", "val", "test"))}  # fmt: skip
    file = tmp_path / "split.json"
    file.write_text(json.dumps(rows))
    data = read_json("mine", file, images=str(tmp_path / "images"), class_names={"dog": "hound"})
    assert (data.class_names, data.split_source) == (("cat", "hound"), "json (split.json)")
    assert content(data)["test"] == [("cat/image_0002.png", 0), ("dog/image_0002.png", 1)]
    with pytest.raises(DatasetError, match="6 images are missing under"):
        read_json("mine", file)
    (tmp_path / "images" / "cat" / "image_0001.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"1 images are empty files: cat/image_0001\.png"):
        read_json("mine", file, images=str(tmp_path / "images"))


@pytest.mark.parametrize("prefix", ["{}/images/", "../images/"])
def test_json_may_have_absolute_paths_and_paths_upwards(tmp_path, prefix):
    classes(tmp_path / "images", {"cat": 2, "dog": 2})
    (tmp_path / "lists").mkdir()
    before = prefix.format(tmp_path)
    rows = {split: [[f"{before}{name}/image_000{i}.png", label, name] for label, name in enumerate(("cat", "dog"))]
            for i, split in enumerate(("train", "test"))}  # fmt: skip
    (tmp_path / "lists" / "split.json").write_text(json.dumps(rows | {"val": []}))
    data = read_json("mine", tmp_path / "lists" / "split.json")
    assert content(data)["test"] == [("cat/image_0001.png", 0), ("dog/image_0001.png", 1)]
    assert data.test.source.root == tmp_path / "images"


# Hugging Face tables


def hf_table(rows, *, encoded=True, label=None):
    label = label or datasets.ClassLabel(names=["cat", "dog"])
    pictures = [Image.new("RGB", (6, 5), (20 * row, 0, value)) for row, (value, _) in enumerate(rows)]
    features = datasets.Features({"picture": datasets.Image(), "kind": label, "id": datasets.Value("int64")})
    columns = {"picture": pictures, "kind": [kind for _, kind in rows], "id": list(range(len(rows)))}
    return datasets.Dataset.from_dict(columns, features=features)


ONES = [(1, 0), (2, 1), (3, 1)]


def test_a_saved_table_with_splits(tmp_path):
    rows = {"train": ONES, "validation": [(4, 1)], "test": [(5, 1), (6, 0)]}
    datasets.DatasetDict({split: hf_table(of) for split, of in rows.items()}).save_to_disk(tmp_path / "saved")
    data = read_hf("mine", str(tmp_path / "saved"))
    assert isinstance(data.train.source, ImageSource)
    assert data.class_names == ("cat", "dog")
    assert [part.labels.tolist() for part in (data.train, data.val, data.test)] == [[0, 1, 1], [1], [1, 0]]
    assert [data.train.source.open(int(i)).getpixel((0, 0))[2] for i in data.test.indices] == [5, 6]
    assert [data.train.source.describe(i) for i in (2, 3, 5)] == ["train[2]", "validation[0]", "test[1]"]
    assert not data.val_is_test


def test_ids_are_those_of_files_with_the_same_bytes(tmp_path):
    names = write_pictures(tmp_path / "files", 3)
    paths = [str(tmp_path / "files" / name) for name in names]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a"])})
    saved = datasets.Dataset.from_dict({"image": paths, "label": [0, 0, 0]}, features=features)
    saved.save_to_disk(tmp_path / "saved")
    data = read_hf("mine", str(tmp_path / "saved"))
    files = FileImages(tmp_path / "files", names).content_ids([0, 1, 2])
    assert data.train.source.content_ids([2, 0, 1, 0]) == [files[2], files[0], files[1], files[0]]
    copy = pickle.loads(pickle.dumps(data.train.source))
    assert np.asarray(copy.open(1)).tolist() == np.asarray(FileImages(tmp_path / "files", names).open(1)).tolist()


def test_one_table_is_split_by_a_draw(tmp_path):
    hf_table([(i, i % 2) for i in range(20)]).save_to_disk(tmp_path / "saved")
    data = read_hf("mine", str(tmp_path / "saved"))
    assert [len(part) for part in (data.train, data.val, data.test)] == [10, 4, 6]
    assert sorted(index for part in (data.train, data.val, data.test) for index in part.indices) == list(range(20))
    assert all((part.indices % 2 == part.labels).all() for part in (data.train, data.val, data.test))
    other = read_hf("mine", str(tmp_path / "saved"), split_seed=2)
    assert other.train.indices.tolist() != data.train.indices.tolist()


def test_labels_that_are_names_or_numbers(tmp_path):
    rows = {"train": [(1, "dog"), (2, "cat")], "test": [(3, "dog")]}
    text = {split: hf_table(of, label=datasets.Value("string")) for split, of in rows.items()}
    datasets.DatasetDict(text).save_to_disk(tmp_path / "names")
    data = read_hf("mine", str(tmp_path / "names"), label_column="kind")
    assert (data.class_names, data.train.labels.tolist(), data.test.labels.tolist()) == (("cat", "dog"), [1, 0], [1])
    numbers = hf_table([(i, i % 2) for i in range(4)], label=datasets.Value("int64"))
    numbers.save_to_disk(tmp_path / "numbers")
    with pytest.raises(DatasetError, match=r"0 columns could hold the labels; set dataset\.label_column to one of"):
        read_hf("mine", str(tmp_path / "numbers"))
    with pytest.raises(DatasetError, match="labels are numbers"):
        read_hf("mine", str(tmp_path / "numbers"), label_column="kind")
    assert read_hf("m", str(tmp_path / "numbers"), label_column="kind", class_names=["a", "b"]).class_names == (
        "a",
        "b",
    )


def test_rows_that_are_twice_in_a_saved_table_count_once(tmp_path):
    hf_table([*ONES, *ONES[:2]]).save_to_disk(tmp_path / "other")  # each row is another picture
    assert read_hf("mine", str(tmp_path / "other")).notes == ()
    twice = datasets.concatenate_datasets([hf_table(ONES), hf_table(ONES)])
    datasets.DatasetDict({"train": twice, "test": hf_table([(9, 0)])}).save_to_disk(tmp_path / "twice")
    data = read_hf("mine", str(tmp_path / "twice"))
    assert (len(data.train), len(data.test)) == (3, 1)
    assert data.notes == ("3 rows repeat others and are left out: train[3], train[4], train[5]",)


def test_splits_that_cant_be_told(tmp_path):
    both = {"train": hf_table(ONES), "validation": hf_table([(4, 1)])}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "saved")
    path = str(tmp_path / "saved")
    with pytest.raises(DatasetError, match=r"set dataset\.test_split=validation"):
        read_hf("mine", path)
    data = read_hf("mine", path, test_split="validation")
    assert (data.val_is_test, data.test.indices.tolist()) == (True, [3])
    with pytest.raises(DatasetError, match="has no split 'tset'; there are train, validation"):
        read_hf("mine", path, test_split="tset")
    with pytest.raises(DatasetError, match=r"no column 'image'; set dataset\.image_column to one of picture, kind"):
        read_hf("mine", path, test_split="validation", image_column="image")
    (tmp_path / "saved" / "dataset_dict.json").write_text("{")
    with pytest.raises(DatasetError, match="can't be loaded by Hugging Face"):
        read_hf("mine", path)


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DatasetError, match=r"pip install 'promptlab-clip\[hf\]'"):
        read_hf("mine", "someone/something")


@pytest.mark.parametrize("name", ["folder", "csv", "json", "hf"])
def test_configurations_say_what_to_set(name):
    config = OmegaConf.to_container(OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml"))
    assert {"summary", "source"} <= config.pop("about").keys()
    with pytest.raises(DatasetError, match=r"set dataset\.path="):
        get_method(config.pop("_target_"))(**config)
