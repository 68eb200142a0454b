"""Folders as people have them, through the command line: the right score, or a question that names the way out.

Drawn pictures that the demo's CLIP knows: eight classes of fourteen score 65.62 zero-shot on the drawn split, and a
wrong layout shows in the accuracy.
"""

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from promptlab import load_learner
from promptlab.cli.main import main
from promptlab.results.store import read_result
from tests.helpers.drawn import pictures

QUIET = ("views=0", "trainer.enable_progress_bar=false", "learner.optim.epochs=1")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Eight classes of fourteen pictures, to be copied from."""
    root = tmp_path_factory.mktemp("drawn")
    pictures(root, 8)
    return root


@pytest.fixture
def case(tmp_path, monkeypatch):
    """The folder ``case`` of the working folder, as the commands name it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "case"


@pytest.fixture
def run(tmp_path, capsys):
    """What runs a command: the exit status, the new Result or None, and what was printed."""

    def written():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("result.json")}

    def run(*words):
        before = written()
        capsys.readouterr()
        status = main(list(words))
        after = [read_result(path) for path, time in written().items() if before.get(path) != time]
        captured = capsys.readouterr()
        return status, after[0] if after else None, " ".join((captured.out + captured.err).split())

    return run


def zero_shot(path="case", *more):
    return ("learner=zero_shot", "protocol=few_shot", "views=0", "dataset=folder", f"dataset.path={path}", *more)


def by_split(drawn, root, classes, **splits):
    """Some classes, each picture copied into the folder of its split."""
    for kind in sorted(os.listdir(drawn))[:classes]:
        files = sorted((drawn / kind).iterdir())
        for split, part in splits.items():
            (root / split / kind).mkdir(parents=True)
            for file in files[part]:
                shutil.copy(file, root / split / kind)


def percent(result, name="test"):
    return round(100 * result.evaluations[name].metrics.top1, 2)


def images(result, name="test"):
    return result.evaluations[name].metrics.images


def test_one_folder_too_high(case, drawn, run):
    shutil.copytree(drawn, case / "dataset")
    status, result, said = run(*zero_shot())
    assert (status, percent(result), result.dataset) == (0, 65.62, "case")
    assert "read from dataset, the one folder with images" in said
    assert "case: 8 classes, 112 images: 56 train, 24 val, 32 test; split: drawn from folders" in said
    assert 'blue striped circle (from dataset/blue striped circle): 7 train, 3 val, 4 test; "a photo of a blue' in said
    status, _, said = run("data", "check", "folder", "dataset.path=case")
    assert (status, "case: 8 classes, 112 images" in said, "complete" in said) == (0, True, True)


def test_one_folder_too_low_is_one_class_and_no_result(case, drawn, run):
    shutil.copytree(drawn / "green heart", case / "green heart")
    for protocol in ("few_shot", "base_to_new", "generalized_zero_shot"):
        status, result, said = run(*zero_shot(), f"protocol={protocol}")
        assert (status, result) == (1, None), protocol
        assert "class" in said
    status, _, said = run("data", "check", "folder", "dataset.path=case")
    assert (status, "1: with one class no answer could be wrong" in said, "complete" in said) == (1, True, False)


def test_training_set_and_test_set(case, drawn, run):
    by_split(drawn, case, 3, training_set=slice(0, 8), val_set=slice(8, 10), test_set=slice(10, 14))
    status, result, said = run(*zero_shot())
    assert (status, images(result), len(result.fit.class_names)) == (0, 12, 3)
    assert "3 classes, 42 images: 24 train, 6 val, 12 test; split: folders" in said
    assert "(from training_set/blue striped circle)" in said


def test_classes_two_levels_deep(case, drawn, run):
    for kind in os.listdir(drawn):
        shutil.copytree(drawn / kind, case / kind.split()[-1] / kind)
    status, result, said = run(*zero_shot())
    assert (status, result) == (1, None)
    assert "which of them are the classes? Say dataset.classes=outer for 7" in said
    assert "dataset.classes=inner for 8" in said
    status, result, _ = run(*zero_shot(), "dataset.classes=inner")
    assert (status, percent(result)) == (0, 65.62)


@pytest.mark.parametrize("classes", [2, 3])
def test_base_to_new_of_few_classes(case, drawn, run, classes):
    by_split(drawn, case, classes, train=slice(0, 9), test=slice(9, 14))
    status, result, said = run("learner=coop", *QUIET, "dataset=folder", "dataset.path=case")
    assert (status, result) == (1, None)
    assert f"at least two classes in each half; case has {classes} in all" in said
    assert "use protocol=few_shot" in said
    status, result, _ = run(
        "learner=coop", "shots=1", *QUIET, "dataset=folder", "dataset.path=case", "protocol=few_shot"
    )
    assert (status, images(result)) == (0, 5 * classes)


def test_flat_test_folder(case, drawn, run):
    by_split(drawn, case, 4, train=slice(0, 14))
    (case / "test").mkdir()
    for number, kind in enumerate(os.listdir(case / "train")):
        shutil.copy(case / "train" / kind / "013.png", case / "test" / f"{number}.png")
    status, result, said = run(*zero_shot())
    assert (status, result) == (1, None)
    assert "test holds 4 images" in said
    assert "no folder per class as train has them" in said
    learns = ("learner=coop", "shots=2", *QUIET, "dataset=folder", "dataset.path=case", "dataset.test=none")
    status, result, said = run(*learns, "protocol=few_shot")
    assert (status, dict(result.evaluations), result.train_images) == (0, {}, 8)
    assert "nothing was scored: there are no test images" in said
    folder = next(Path("results").rglob("result.json")).parent
    assert load_learner(folder).class_names == tuple(sorted(os.listdir(case / "train")))
    status, result, said = run(*learns)
    assert (status, "protocol=few_shot learns from training images alone" in said) == (1, True)


def test_benchmark_unpacked_twice(case, run):
    pictures(case / "caltech-101" / "101_ObjectCategories" / "101_ObjectCategories", 4)
    words = ("learner=zero_shot", "protocol=few_shot", "views=0", "dataset=caltech101", "data.root=case")
    status, result, said = run(*words)
    assert (status, result) == (1, None)
    assert "101_ObjectCategories/101_ObjectCategories): 4 classes found, 100 expected" in said
    status, result, said = run(*words, "dataset.n_classes=4")
    assert (status, images(result)) == (0, 16)
    assert "its images were found at" in said
    assert any("its images were found at" in note for note in result.notes)


def test_a_target_of_test_images_is_scored_whole(case, drawn, run):
    by_split(drawn, case / "src", 8, train=slice(0, 9), test=slice(9, 14))
    for kind in sorted(os.listdir(drawn))[1::2]:
        shutil.copytree(drawn / kind, case / "tgt" / kind)
    target = "protocol.targets=[{_target_:promptlab.data.own_folder.read_folder,name:tgt,path:case/tgt}]"
    words = ("learner=coop", "shots=1", *QUIET, "dataset=folder", "dataset.path=case/src", target)
    for protocol in ("domain_generalization", "cross_dataset"):
        status, result, said = run(*words, f"protocol={protocol}")
        assert (status, images(result, "src"), images(result, "tgt")) == (0, 40, 56)
        assert "target tgt: 56 images of 4 classes; split: all images are test images" in said
    assert "split of tgt: all images are test images" in " ".join(result.notes)


def test_test_images_alone_are_a_zero_shot_dataset(case, drawn, run):
    by_split(drawn, case, 4, test=slice(0, 14))
    for more in ((), ("dataset.path=case/test", "dataset.test=all")):
        status, result, said = run(*zero_shot(), *more, "force=true")
        assert (status, images(result), percent(result)) == (0, 56, 82.14)
        assert "4 classes, 56 images: 56 test" in said
    status, result, said = run(*zero_shot("case/test"))
    assert (images(result), "a draw chose the test images" in said, "dataset.test=all" in said) == (16, True, True)
    status, result, said = run("learner=coop", *QUIET, "dataset=folder", "dataset.path=case", "protocol=few_shot")
    assert (status, result, "has no training images, all of its 56 are test images" in said) == (1, None, True)


def test_mac_resource_forks(case, drawn, run):
    by_split(drawn, case, 2, train=slice(0, 9), test=slice(9, 14))
    for kind in (case / "train").iterdir():
        (kind / "._000.png").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
        (kind / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    status, result, said = run(*zero_shot())
    assert (status, images(result), "ignored" in said) == (0, 10, False)


def test_folder_name_not_utf8(case, drawn, run):
    by_split(drawn, case, 3, train=slice(0, 9), test=slice(9, 14))
    for split in ("train", "test"):
        os.rename(case / split / "blue striped circle", os.fsencode(case / split) + b"/M\xfcll")
    status, result, said = run(*zero_shot())
    assert (status, result) == (1, None)
    assert r"1 class name is no UTF-8: M\xfcll" in said
    status, _, said = run("data", "check", "folder", "dataset.path=case")
    assert (status, r"M\xfcll" in said) == (1, True)
    Path("names.txt").write_text("blue striped circle\ngreen checkered triangle\ngreen heart\n")
    status, result, said = run(*zero_shot(), "dataset.class_names=names.txt")
    assert (status, images(result)) == (0, 15)
    assert r"blue striped circle (from train/M\xfcll)" in said


def test_unicode_form_of_class_folders(case, drawn, run):
    by_split(drawn, case, 3, train=slice(0, 9), test=slice(9, 14))
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (case / split / "green heart").rename(case / split / unicodedata.normalize(form, "caf\u00e9"))
    status, result, said = run(*zero_shot())
    assert (status, images(result)) == (0, 15)
    assert result.fit.class_names == ("blue striped circle", "caf\u00e9", "green checkered triangle")
    assert "is read as class" in said


def test_two_datasets_with_one_name_are_two_rows(case, drawn, run):
    """Also where nothing trains, so that test images alone tell one from the other."""
    by_split(drawn, case / "a" / "mine", 2, test=slice(0, 9))
    by_split(drawn, case / "b" / "mine", 2, test=slice(7, 14))
    for folder in ("a", "b"):
        assert run(*zero_shot(f"case/{folder}/mine"))[1].dataset == "mine"
    status, _, said = run("report", "results", "--format", "csv")
    assert (status, said.count("data=")) == (0, 2)


def test_a_sweep_says_once_what_it_works_on(case, drawn, run):
    by_split(drawn, case, 4, train=slice(0, 9), test=slice(9, 14))
    status, _, said = run("-m", *zero_shot(), "seed=1,2,3")
    assert (status, said.count("case: 4 classes, 56 images")) == (0, 1)
