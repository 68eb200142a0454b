"""Faults of public reports, as a user meets them: names that met keys by their place, paths and rows of tables.

Each test is one of the cases of issue 12, with the right value or message.
"""

import json
import random
import shutil
import unicodedata

import numpy as np
import pytest

from promptlab.cli.main import main
from promptlab.results.store import load_results
from tests.helpers.drawn import pictures

ZERO_SHOT = ("learner=zero_shot", "protocol=few_shot", "views=0", "trainer.enable_progress_bar=false")


@pytest.fixture(autouse=True)
def work_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def accuracy(name, *overrides):
    """Top-1 accuracy in percent of a run, and its Result."""
    assert main([*ZERO_SHOT, f"dataset.name={name}", *overrides]) == 0
    (result,) = [result for result in load_results("results") if result.dataset == name]
    return round(100 * result.evaluations["test"].metrics.top1, 2), result


def refused(capsys, *overrides):
    """What is said of a run that isn't taken."""
    assert main([*ZERO_SHOT, *overrides]) in (1, 2)
    return " ".join(capsys.readouterr().err.split())


def moved(root, names):
    """The pictures of each class under another name of its folder."""
    for old, new in names.items():
        shutil.move(root / old, root / new)


def test_numbered_folders_take_names_in_the_order_of_their_numbers(tmp_path):
    names = pictures(tmp_path / "pics", 12)
    random.Random(3).shuffle(names)
    moved(tmp_path / "pics", {name: str(number) for number, name in enumerate(names, 1)})
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "map.txt").write_text("".join(f"{number}\t{name}\n" for number, name in enumerate(names, 1)))
    by_place, result = accuracy("place", "dataset=folder", "dataset.path=pics", "dataset.class_names=names.txt")
    by_key, _ = accuracy("key", "dataset=folder", "dataset.path=pics", "dataset.class_names=map.txt")
    assert by_place == by_key > 50
    assert list(result.fit.class_names) == names


def test_coops_classnames_file_names_folders_by_their_first_words(tmp_path):
    names = pictures(tmp_path / "pics")
    ids = {name: f"n0{1440764 + 1000 * place}" for place, name in enumerate(names)}
    moved(tmp_path / "pics", ids)
    lines = [f"{wnid} {name}\n" for name, wnid in ids.items()] + ["n09999999 another one\n"]
    (tmp_path / "classnames.txt").write_text("".join(reversed(lines)))
    found, result = accuracy("w", "dataset=folder", "dataset.path=pics", "dataset.class_names=classnames.txt")
    assert list(result.fit.class_names) == names
    assert found > 60


def test_camel_case_is_warned_of_with_its_prompt(tmp_path, capsys):
    moved(tmp_path / "d", {name: name.title().replace(" ", "") for name in pictures(tmp_path / "d", 3)})
    _, result = accuracy("camel", "dataset=folder", "dataset.path=d")
    said = "'BlueStripedCircle' (CamelCase) is read as 'a photo of a bluestripedcircle.'"
    assert any(said in note for note in result.notes)
    assert said in " ".join("".join(capsys.readouterr()).split())


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("{1:red star,2:blue circle,3:green heart}", ("red star", "blue circle", "green heart")),
        ("{2:blue circle}", ("1", "blue circle", "3")),
    ],
)
def test_names_by_number_are_a_mapping(given, names, tmp_path):
    moved(tmp_path / "d", {name: str(number) for number, name in enumerate(pictures(tmp_path / "d", 3), 1)})
    _, result = accuracy("numbers", "dataset=folder", "dataset.path=d", f"dataset.class_names={given}")
    assert result.fit.class_names == names


@pytest.mark.parametrize("given", ["[1,2]", "{cat:1}", "{cat:1.5}"])
def test_names_that_are_numbers_are_refused_with_the_cure(given, capsys):
    said = refused(capsys, "dataset=folder", "dataset.path=d", f"dataset.class_names={given}")
    assert 'is a number, and texts are needed: write dataset.class_names="' in said
    assert "'1" in said


def test_a_dataset_and_its_folder_may_be_called_by_a_number(tmp_path):
    pictures(tmp_path / "2024", 3)
    _, result = accuracy("2024", "dataset=folder", "dataset.path=2024")
    assert result.dataset == "2024"
    assert (tmp_path / "results" / "2024").is_dir()


def test_classes_with_the_same_prompt_are_named(tmp_path, capsys):
    names = pictures(tmp_path / "d", 4)
    moved(tmp_path / "d", {names[0]: "pink_arrow", names[1]: "Pink  arrow"})
    _, result = accuracy("twins", "dataset=folder", "dataset.path=d")
    said = "by their names: 'Pink arrow' and 'pink_arrow' ('a photo of a pink arrow.')"
    assert any(said in " ".join(note.split()) for note in result.notes)
    assert said in " ".join("".join(capsys.readouterr()).split())


def table(path, rows, head="path,label", **written):
    path.write_bytes((f"{head}\r\n" + "\r\n".join(rows) + "\r\n").encode(**written))


def test_paths_are_found_in_either_unicode_form_and_with_either_separator(tmp_path):
    names = pictures(tmp_path / "all", 3)
    plain = [f"all/{name}/{number:03d}.png" for name in names for number in range(14)]
    rows = [f"{path},{path.split('/')[1]}" for path in plain]
    table(tmp_path / "plain.csv", rows)
    table(tmp_path / "win.csv", [row.replace("/", "\\") for row in rows], encoding="utf-8-sig")
    for form, folder in (("NFD", "mac"), ("NFC", "linux")):
        for path in plain:
            of_mac = tmp_path / folder / unicodedata.normalize(form, f"café/{path.replace('/', '_')}")
            of_mac.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / path, of_mac)
    composed = [f"{{}}/café/{path.replace('/', '_')};{path.split('/')[1]}" for path in plain]
    decomposed = [unicodedata.normalize("NFD", row) for row in composed]
    table(tmp_path / "mac.csv", [row.format("mac") for row in composed], "File Name;Class")
    table(tmp_path / "nfd.csv", [row.format("linux") for row in decomposed], "File Name;Class")
    kinds = ("plain", "win", "mac", "nfd")
    found = {kind: accuracy(kind, "dataset=csv", f"dataset.path={kind}.csv")[1] for kind in kinds}
    images = {name: result.train_images for name, result in found.items()}
    assert images == dict.fromkeys(found, 21)
    assert found["win"].fit_id == found["plain"].fit_id


def test_rows_twice_in_a_table_count_once(tmp_path, capsys):
    names = pictures(tmp_path / "p", 4)
    rows = [f"p/{name}/{n:03d}.png,{name},{'train' if n < 8 else 'test'}" for name in names for n in range(14)]
    for name, listed in (("once", rows), ("twice", [*rows, *rows])):
        table(tmp_path / f"{name}.csv", listed, "path,label,split")
        by_label = {split: [[row.split(",")[0], names.index(row.split(",")[1]), row.split(",")[1]] for row in listed
                            if row.endswith(split)] for split in ("train", "test")}  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps({**by_label, "val": []}))
    for kind in ("csv", "json"):
        once, twice = (
            accuracy(f"{name}_{kind}", f"dataset={kind}", f"dataset.path={name}.{kind}", "shots=8")[1]
            for name in ("once", "twice")
        )
        assert (twice.train_images, twice.evaluations["test"].metrics.images) == (32, 24)
        assert twice.fit_id == once.fit_id
        assert any(note.startswith("56 rows repeat others and are left out: p/") for note in twice.notes)
    assert "56 rows repeat others" in " ".join("".join(capsys.readouterr()).split())


def test_paths_of_another_machine_and_other_encodings_are_named(tmp_path, capsys):
    (tmp_path / "d").mkdir()
    table(tmp_path / "win.csv", ["C:\\data\\1.png,cat"])
    assert "begin at a drive of Windows: C:\\data\\1.png" in refused(capsys, "dataset=csv", "dataset.path=win.csv")
    table(tmp_path / "wide.csv", ["1.png,cat"], encoding="utf-16")
    said = refused(capsys, "dataset=csv", "dataset.path=wide.csv")
    assert "wide.csv can't be read" in said
    assert "it seems to be UTF-16: save it as UTF-8" in said


def test_names_of_features_have_no_byte_order_mark(tmp_path, capsys):
    features = np.random.default_rng(0).normal(size=(8, 128)).astype(np.float32)
    for split in ("train", "test"):
        np.savez(tmp_path / f"{split}.npz", features=features + (split == "test"), labels=np.repeat(np.arange(4), 2))
    (tmp_path / "names.txt").write_bytes("cat\r\ndog\r\nowl\r\nfox".encode("utf-8-sig"))
    arguments = ("dataset=features", "dataset.train=train.npz", "dataset.test=test.npz")
    _, result = accuracy("given", *arguments, "dataset.class_names=names.txt")
    assert result.fit.class_names == ("cat", "dog", "owl", "fox")
    (tmp_path / "names.txt").write_bytes("café\n".encode("utf-16"))
    assert "names.txt" in refused(capsys, *arguments, "dataset.class_names=names.txt")


def test_a_names_file_that_changed_is_read_again(tmp_path):
    pictures(tmp_path / "d", 2)
    (tmp_path / "names.txt").write_text("red star\nblue ring\n")
    arguments = ("dataset=folder", "dataset.path=d", "dataset.class_names=names.txt")
    _, before = accuracy("mine", *arguments)
    (tmp_path / "names.txt").write_text("pink heart\nblue ring\n")
    shutil.rmtree(tmp_path / "results")
    _, after = accuracy("mine", *arguments)
    assert (before.fit.class_names[0], after.fit.class_names[0]) == ("red star", "pink heart")
