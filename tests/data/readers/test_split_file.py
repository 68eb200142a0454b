import json
import subprocess
import sys
import textwrap

import pytest

from promptlab.data import base_new_classes, read_coop_split
from promptlab.support.errors import DatasetError

GOOD = {
    "train": [["a/1.png", 0, "cat"], ["a/2.png", 0, "cat"], ["b/1.png", 1, "dog"]],
    "val": [["a/3.png", 0, "cat"]],
    "test": [["b/2.png", 1, "dog"]],
}


def read(root, **changes):
    layout = {"folder": "pets", "split_file": "split.json", "image_folder": "images"}
    return read_coop_split("pets", root, **(layout | changes))


def write(root, split):
    (root / "pets").mkdir(parents=True, exist_ok=True)
    (root / "pets" / "split.json").write_text(split if isinstance(split, str) else json.dumps(split))
    return root


def with_rows(split, *rows):
    return GOOD | {split: [*GOOD[split], *map(list, rows)]}


def test_reads_lists_in_order_without_touching_images(tmp_path):
    data = read(write(tmp_path, GOOD))
    assert data.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 1]
    assert [data.test.source.describe(int(i)) for i in data.test.indices] == ["b/2.png"]
    assert (data.template, data.val_is_test) == ("a photo of a {}.", False)
    assert len(data.split_hash) == 32


def test_two_classes_may_share_a_name(tmp_path):
    split = {key: [[path, label, "crane"] for path, label, _ in rows] for key, rows in GOOD.items()}
    assert read(write(tmp_path, split)).class_names == ("crane", "crane")


def test_validation_that_is_the_test_set_is_noticed(tmp_path):
    assert read(write(tmp_path, GOOD | {"val": GOOD["test"]})).val_is_test
    assert not read(write(tmp_path, GOOD | {"val": []})).val_is_test


BAD = {
    "two names": (with_rows("val", ["a/4.png", 0, "hound"]), "label 0 has two names, 'cat' and 'hound'"),
    "from one": (
        {key: [[path, label + 1, name] for path, label, name in rows] for key, rows in GOOD.items()},
        "labels run from 1 to 2; they must start at 0",
    ),
    "outside": (with_rows("test", ["c/1.png", 2, "cow"]), "1 test label lies outside 0 to 1 .* the first is 2"),
    "negative": (with_rows("train", ["c/1.png", -1, "cow"]), "1 train label lies outside 0 to 1"),
    "empty class": (with_rows("train", ["c/1.png", 3, "cow"]), r"1 class has no training images: 2 \(no name\)"),
    "only test": (
        GOOD | {"train": [["b/1.png", 1, "dog"], ["c/1.png", 2, "cow"]]},
        r"1 class has no training images: 0 \(cat\)",
    ),
    "no train": (GOOD | {"train": []}, "the train list is empty"),
    "no test": (GOOD | {"test": []}, "the test list is empty"),
    "no JSON": ('{"train": [', "not valid JSON"),
    "a list": ("[1, 2]", "needs the lists train, val, test"),
    "no val": ({"train": GOOD["train"], "test": GOOD["test"]}, "needs the lists train, val, test"),
    "short row": (with_rows("train", ["a/9.png", 0]), r"item 3 of train is \['a/9.png', 0\]; it should be"),
    "text label": (with_rows("train", ["a/9.png", "0", "cat"]), "item 3 of train"),
    "true label": (with_rows("train", ["a/9.png", True, "cat"]), "item 3 of train"),
    "object row": (GOOD | {"val": [{"path": "a"}]}, "item 0 of val"),
    "huge label": (with_rows("train", ["a/9.png", 2**70, "x"]), "too large"),
    "absolute": (with_rows("train", ["/home/me/9.png", 0, "cat"]), "relative to it"),
    "upwards": (with_rows("train", ["../9.png", 0, "cat"]), "relative to it"),
    "blank name": (with_rows("train", ["c/9.png", 2, " "]), r"classes without a name: \[2\]"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_what_is_wrong_with_a_split_file_is_said(tmp_path, case):
    split, message = BAD[case]
    with pytest.raises(DatasetError, match=message):
        read(write(tmp_path, split))


def test_a_known_number_of_classes_is_checked(tmp_path):
    with pytest.raises(DatasetError, match=r"1 class has no training images: 2 \(no name\)"):
        read(write(tmp_path, GOOD), n_classes=3)
    with pytest.raises(DatasetError, match="outside 0 to 0"):
        read(write(tmp_path, GOOD), n_classes=1)


def test_what_is_missing_is_said_with_its_place(tmp_path):
    with pytest.raises(DatasetError, match=r"set data\.root=FOLDER"):
        read(None)
    with pytest.raises(DatasetError, match=r"does not exist: .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"belongs at .*pets"):
        read(tmp_path)
    (tmp_path / "pets").mkdir()
    with pytest.raises(DatasetError, match=r"belongs at .*pets.split\.json"):
        read(tmp_path)


def test_a_template_without_a_place_for_the_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="exactly one"):
        read(write(tmp_path, GOOD), template="a photo")


@pytest.mark.parametrize(
    ("name", "layout", "counts", "halves"),
    [
        (
            "eurosat",
            ("eurosat", "split_zhou_EuroSAT.json", "2750"),
            (10, 13500, 5400, 8100),
            (4200, 3900),
        ),
        (
            "caltech101",
            ("caltech-101", "split_zhou_Caltech101.json", "101_ObjectCategories"),
            (100, 4128, 1649, 2465),
            (1549, 916),
        ),
    ],
)
def test_shared_datasets_have_coops_counts(shared_data, name, layout, counts, halves):
    folder, split_file, image_folder = layout
    data = read_coop_split(
        name, shared_data, folder=folder, split_file=split_file, image_folder=image_folder, n_classes=counts[0]
    )
    assert (len(data.class_names), len(data.train), len(data.val), len(data.test)) == counts
    base, new = base_new_classes(counts[0])
    assert (len(data.test.of_classes(base)), len(data.test.of_classes(new))) == halves
    for items in (data.train, data.val, data.test):
        items.source.check(items.indices)


def test_imagenet_sized_lists_open_lightly(tmp_path):
    """1.28 million images under 1 GB, and the process never loads torch for it; experiments/listing has the seconds."""
    code = """
        import json, re, sys
        from pathlib import Path
        from promptlab.data import read_coop_split
        data = read_coop_split("imagenet", sys.argv[1], folder="i", split_file="s.json", image_folder="images")
        status = Path("/proc/self/status")
        peak_kib = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0
        print(json.dumps([peak_kib, len(data.train), data.train.source.describe(1_279_999)]))
        assert "torch" not in sys.modules
    """
    (tmp_path / "i").mkdir()
    row = '["train/n%08d/n%08d_%d.JPEG", %d, "class name %d"]'
    train = ", ".join(row % (c, c, i, c, c) for c in range(1000) for i in range(1280))
    (tmp_path / "i" / "s.json").write_text(
        f'{{"train": [{train}], "val": [], "test": [["val/1.JPEG", 0, "class name 0"]]}}'
    )
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    peak_kib, n, last = json.loads(output)
    assert (n, last) == (1_280_000, "train/n00000999/n00000999_1279.JPEG")
    assert peak_kib * 1024 < 1e9
