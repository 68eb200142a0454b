"""What people hit, the rest: what is said where nothing trains, odd bytes, pointers, one of a thing, brackets."""

import json
import os

import pytest
import torch
from PIL import Image

import promptlab
from promptlab.cli.main import main
from promptlab.support.console import say
from tests.helpers.drawn import pictures


def test_how_many_images_a_class_has_is_not_said_where_nothing_trains(tmp_path, capsys, caplog):
    words = ["dataset=demo_textures", "protocol=few_shot", "shots=200", f"results={tmp_path}"]
    assert main(["learner=zero_shot", *words]) == 0
    out = capsys.readouterr().out
    assert "images a class" not in out
    assert "fewer than" not in caplog.text
    (result,) = promptlab.load_results(tmp_path)
    assert not any("fewer than" in note for note in result.notes)
    assert main(["learner=tip_adapter", "learner.search=false", "views=0", *words]) == 0
    assert "images a class 32" in " ".join(capsys.readouterr().out.split())
    assert "12 classes have fewer than 200 training images, and all of them train" in caplog.text
    assert any("fewer than 200" in note for result in promptlab.load_results(tmp_path) for note in result.notes)
    assert main(["report", str(tmp_path)]) == 0
    assert "images a class" in " ".join(capsys.readouterr().out.split())


def test_a_learner_predicts_from_pictures_as_it_was_trained(tmp_path, own_cache):
    turned = tmp_path / "pics"
    pictures(turned, classes=2, each=3)
    for path in turned.rglob("*.png"):
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 3
            half = image.crop((0, 0, image.width, image.height // 2))
            image = Image.new("RGB", image.size)
            image.paste(half)
            image.save(path, exif=exif)
    one = next(turned.rglob("*.png"))
    words = ["dataset=folder", f"dataset.path={turned}", "dataset.test=all", "protocol=few_shot", "learner=zero_shot"]
    assert main([*words, f"results={tmp_path}/exif", "dataset.exif=true"]) == 0
    assert main([*words, f"results={tmp_path}/plain"]) == 0
    found = {kind: promptlab.load_results(tmp_path / kind)[0].folder for kind in ("exif", "plain")}
    saved = {kind: promptlab.load_learner(folder) for kind, folder in found.items()}
    assert (saved["exif"].reading, saved["plain"].reading) == ({"exif": True}, {})
    own = promptlab.predict(saved["exif"], one)
    assert torch.equal(own, promptlab.predict(saved["plain"], one, exif=True))
    assert not torch.equal(own, promptlab.predict(saved["exif"], one, exif=False))
    again = promptlab.load_learner(saved["exif"].select([1, 0]).save_pretrained(tmp_path / "again"))
    assert again.reading == {"exif": True}


def test_brackets_stay_where_a_contract_is_checked(tmp_path, monkeypatch, capsys):
    (tmp_path / "brackets_of_mine.py").write_text(
        "import promptlab\n"
        "class Odd(promptlab.ZeroShot):\n"
        "    def forward(self, inputs):\n"
        "        raise ValueError('see [docs/a] and [bold]this[/bold]')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "brackets_of_mine:Odd"]) == 1
    out = capsys.readouterr().out
    assert "see [docs/a] and [bold]this[/bold]" in " ".join(out.split())
    assert "failed" in out


@pytest.mark.parametrize(("given", "meant"), [("vit_b15", "vit_b16"), ("rn5", "rn50"), ("ViT-B-61", "ViT-B-16")])
def test_a_backbone_that_bench_does_not_know_is_told_from_those_it_does(given, meant, capsys):
    assert main(["bench", "coop", "--backbone", given]) == 2
    err = capsys.readouterr().err
    assert f"--backbone {given}: there is no such backbone, did you mean" in err
    assert meant in err


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4180\n"


def test_pictures_that_are_pointers_are_named_with_the_cure(tmp_path, own_cache, capsys):
    names = pictures(tmp_path / "pics", classes=2, each=3)
    left = tmp_path / "pics" / names[0] / "001.png"
    left.write_text(POINTER)
    words = ["dataset=folder", f"dataset.path={tmp_path}/pics", "dataset.test=all", "learner=zero_shot"]
    words += ["protocol=few_shot", f"results={tmp_path}/results"]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "1 image is a pointer of Git LFS (run `git lfs install` and `git lfs pull`" in err
    assert f"{names[0]}/001.png" in err
    assert main(["data", "check", "folder", *words[1:3]]) == 1
    assert "(it is a pointer of Git LFS, not the file itself (of 4,180 bytes): run" in capsys.readouterr().out
    assert main([*words, "dataset.skip_bad=true"]) == 0
    (result,) = promptlab.load_results(tmp_path / "results")
    said = f"1 image can't be read and is left out (skip_bad): {names[0]}/001.png (it is a pointer of Git LFS"
    assert any(note.startswith(said) for note in result.notes)
    with pytest.raises(OSError, match=r"001\.png \(it is a pointer of Git LFS, not the file itself"):
        promptlab.predict(promptlab.load_learner(result.folder), [left])


@pytest.mark.parametrize("kind", ["class names", "template", "table"])
def test_texts_that_are_pointers_are_named_with_the_cure(kind, tmp_path, own_cache, capsys):
    pictures(tmp_path / "pics", classes=2, each=3)
    (tmp_path / "left.csv").write_text(POINTER)
    folder = ["dataset=folder", f"dataset.path={tmp_path}/pics"]
    words = {
        "class names": [*folder, f"dataset.class_names={tmp_path}/left.csv"],
        "template": [*folder, f"dataset.template={tmp_path}/left.csv"],
        "table": ["dataset=csv", f"dataset.path={tmp_path}/left.csv"],
    }[kind]
    assert main([*words, "learner=zero_shot", f"results={tmp_path}/results"]) in (1, 2)
    err = capsys.readouterr().err
    assert "left.csv is a pointer of Git LFS, not the file itself (of 4,180 bytes): run `git lfs install`" in err


@pytest.mark.parametrize("key", ["dataset.path", "results", "dataset.class_names", "data.root", "dataset"])
@pytest.mark.parametrize("verb", [[], ["data", "check", "folder"]])
def test_bytes_that_are_no_text_are_a_message_with_the_cure(key, verb, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = os.fsdecode(b"M\xfcller")
    if verb and key in ("results", "dataset"):
        return
    assert main([*verb, *([] if verb or key == "dataset" else ["dataset=folder"]), f"{key}={given}"]) == 2
    err = capsys.readouterr().err
    assert f"{key}=M\\xfcller" in err
    assert "no UTF-8" in err
    assert "ln -s" in err
    assert not list(tmp_path.iterdir())


def test_a_line_about_such_bytes_can_be_printed(capsys):
    say(os.fsdecode(b"in M\xfcller"))
    assert capsys.readouterr().out == "in M\\xfcller\n"


def test_one_of_a_thing_is_said_in_the_singular(tmp_path, own_cache, capsys):
    names = pictures(tmp_path / "pics", classes=2, each=3)
    (tmp_path / "pics" / names[0] / "001.png").write_bytes(b"")
    assert main(["dataset=folder", f"dataset.path={tmp_path}/pics", f"results={tmp_path}/r"]) == 1
    assert f"1 image is an empty file: {names[0]}/001.png" in capsys.readouterr().err
    with pytest.raises(promptlab.data.DatasetError, match="a folder of images is needed, and there is nothing at "):
        promptlab.data.read_folder("mine", tmp_path / "nowhere")


def test_the_cache_is_listed_by_dataset(tmp_path, own_cache, capsys):
    for name in ("one", "other"):
        pictures(tmp_path / name, classes=2, each=3)
        words = ["dataset=folder", f"dataset.path={tmp_path}/{name}", "dataset.test=all", "learner=zero_shot"]
        assert main([*words, "protocol=few_shot", f"results={tmp_path}/r"]) == 0
    capsys.readouterr()
    assert main(["cache", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    rows = {row["dataset"]: (row["name"], row["views"], row["images"], row["bytes"]) for row in listed["rows"]}
    assert rows == {name: ("demo", 1, 6, 6 * 128 * 4) for name in ("one", "other")}
    assert listed["bytes"] == listed["shared_bytes"] == 6 * 128 * 4
    assert main(["cache", "list"]) == 0
    assert "of images that several datasets hold" in capsys.readouterr().out
