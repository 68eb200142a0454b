"""What the folders of a user's pictures are taken for, and what is asked about instead. The files are empty."""

import logging
import os
import unicodedata

import pytest

from promptlab.data import read_folder
from promptlab.data.readers.split_names import split_of_folder
from promptlab.support.errors import DatasetError

SPLITS = ("train", "val", "test")


def tree(root, *files):
    """Empty files; ``a/b/3`` are three pictures in ``a/b``."""
    for file in files:
        place, _, last = file.rpartition("/")
        names = [f"{number}.png" for number in range(int(last))] if last.isdecimal() else [last]
        for name in names:
            (root / place).mkdir(parents=True, exist_ok=True)
            (root / place / name).touch()
    return root


def read(root, *files, **options):
    return read_folder("mine", tree(root, *files), validate=False, **options)


def counts(data):
    return tuple(len(getattr(data, split)) for split in SPLITS)


def paths(items):
    return [items.source.describe(int(index)) for index in items.indices]


# splits


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Train", "Val", "Test"),
        ("training_set", "val_set", "test_set"),
        ("training", "validation", "testing"),
        ("TrainImages", "valid-images", "test images"),
        ("trainset", "dev", "testset"),
        ("train2017", "val2017", "test2017"),
        ("imgs_train", "imgs_val", "imgs_test"),
    ],
)
def test_split_folders_by_their_usual_names(tmp_path, train, val, test):
    files = [f"{split}/{kind}/{n}" for split, n in ((train, 3), (val, 1), (test, 2)) for kind in ("ant", "bee")]
    data = read(tmp_path, *files)
    assert (data.class_names, counts(data), data.split_source) == (("ant", "bee"), (6, 2, 4), "folders")
    assert data.class_origins == (f"{train}/ant", f"{train}/bee")


@pytest.mark.parametrize(
    "name", ["train tracks", "bus", "tests of courage", "images", "set", "2017", "trainer", "training testing"]
)
def test_other_names_are_no_splits(name):
    assert split_of_folder(name) is None


def test_splits_inside_each_class(tmp_path):
    data = read(tmp_path, "ant/train/3", "ant/test/2", "bee/training/3", "bee/test/2", "bee/val/1")
    assert (data.class_names, counts(data)) == (("ant", "bee"), (6, 1, 4))
    assert "train, val and test were found inside each class's folder" in data.notes
    with pytest.raises(DatasetError, match=r"class folders ant, bee hold folders for splits, cat others or images"):
        read(tmp_path, "cat/3")


def test_wrappers_are_stepped_into_and_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "promptlab"):
        data = read(tmp_path, "archive/images/ant/4", "archive/images/bee/4", "archive/README.txt")
    assert data.class_names == ("ant", "bee")
    assert data.notes[0] == "read from archive/images, the one folder with images in the given one"
    assert "read from archive/images" in caplog.text
    split = read(
        tmp_path / "split", "data/train/train/ant/3", "data/train/train/bee/3", "data/test/ant/1", "data/test/bee/1"
    )
    assert (split.class_names, counts(split)) == (("ant", "bee"), (6, 0, 2))
    assert split.class_origins[0] == "data/train/train/ant"


def test_a_wrapper_gives_the_same_draw_as_what_it_holds(tmp_path):
    """Which images are drawn follows from the classes, so the score is that of the right folder."""
    outer = read(tmp_path, "dataset/ant/9", "dataset/bee/9")
    inner = read_folder("mine", tmp_path / "dataset", validate=False)
    for split in SPLITS:
        assert [path.removeprefix("dataset/") for path in paths(getattr(outer, split))] == paths(getattr(inner, split))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("train/a/1", "val/a/1"),
            r"a folder train and val but none for test .*dataset\.test=none .*dataset\.test=val",
        ),
        (("val/a/1", "test/a/1"), "a folder val and test but none for train images"),
        (("train/a/1", "val/a/1", "extra/a/1"), "train and val folders and others beside them: extra"),
        (("train/a/1", "train_set/a/1", "test/a/1"), "two folders for train: train and train_set"),
        (("train/a/2", "train/b/2", "test/3"), r"test holds 3 images .* no folder per class as train .*test=none"),
        (("train/a/2", "train/b/2", "test/images/3"), r"test holds 3 images \(test/images/0\.png"),
        (("train/5", "test/a/1", "test/b/1"), "train holds 5 images .*, but no folder per class, so"),
        (("test/3",), "test holds 3 images .* list them in a table"),
        (("5",), r"no folders of images, but 5 images \(0\.png, 1\.png and 3 more\)"),
    ],
)
def test_what_lacks_something_is_asked_about(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, *files)


# which images are tested


FOLDERS = ("train/a/3", "train/b/3", "val/a/1", "val/b/1", "test/a/2", "test/b/2")


@pytest.mark.parametrize(
    ("files", "test", "expected"),
    [
        (FOLDERS, "all", (0, 0, 12)),
        (FOLDERS, "none", (6, 2, 0)),
        (FOLDERS, "val", (6, 0, 2)),
        (FOLDERS[:2], "none", (6, 0, 0)),
        (FOLDERS[:4], "val", (6, 0, 2)),
        (FOLDERS[:4], "none", (6, 2, 0)),
        (FOLDERS[4:], None, (0, 0, 4)),
        (("a/5", "b/5"), "all", (0, 0, 10)),
        (("a/5", "b/5"), "none", (10, 0, 0)),
        (("a/1", "b/1"), "none", (2, 0, 0)),
        (("train/a/3", "train/b/3", "test/7"), "none", (6, 0, 0)),
    ],
)
def test_what_is_tested_can_be_said(tmp_path, files, test, expected):
    data = read(tmp_path, *files, test=test)
    assert (counts(data), data.class_names, data.drawn) == (expected, ("a", "b"), False)


def test_no_validation_folder_to_test_on_is_said(tmp_path):
    with pytest.raises(DatasetError, match=r"dataset\.test=val, but there is no folder val; there are train and test"):
        read(tmp_path, "train/a/1", "train/b/1", "test/a/1", test="val")


def test_a_class_with_one_picture_trains(tmp_path):
    data = read(tmp_path, "a/10", "b/1")
    assert (counts(data), data.drawn) == ((6, 2, 3), True)
    assert data.train.labels.tolist().count(1) == 1
    with pytest.raises(DatasetError, match=r"no class has two images.*dataset\.test=none"):
        read(tmp_path / "ones", "a/1", "b/1")


# classes inside classes


def test_nested_classes_are_a_question_with_what_each_answer_gives(tmp_path):
    files = ("ball/football/4", "ball/baseball/4", "board/chess/4")
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, *files)
    assert "dataset.classes=outer for 2 (ball, board); dataset.classes=inner for 3 (baseball, chess, football)" in str(
        caught.value
    )
    assert read(tmp_path, classes="outer").class_names == ("ball", "board")
    inner = read(tmp_path, classes="inner")
    assert inner.class_names == ("baseball", "chess", "football")
    assert inner.class_origins == ("ball/baseball", "board/chess", "ball/football")
    assert counts(inner) == (6, 3, 3)


def test_a_class_called_train_inside_another_is_no_split(tmp_path):
    read(tmp_path, "ride/train/3", "ride/bus/3", "pet/cat/3", "pet/dog/3", classes="outer")
    with pytest.raises(DatasetError, match=r"dataset\.classes=inner for 4 \(bus, cat, dog and 1 more\)"):
        read(tmp_path)


def test_folders_of_one_name_in_several_are_one_class_or_each_one(tmp_path):
    files = ("art/cup/4", "art/fan/4", "photo/cup/4", "photo/fan/4")
    with pytest.raises(DatasetError, match=r"inner for 2 \(cup, fan\); dataset\.classes=path for 4 \(art cup, art fan"):
        read(tmp_path, *files)
    inner = read(tmp_path, classes="inner")
    assert (inner.class_names, inner.class_origins[0]) == (("cup", "fan"), "art/cup, photo/cup")
    assert read(tmp_path, classes="path").class_names == ("art cup", "art fan", "photo cup", "photo fan")


def test_one_folder_of_one_name_inside_every_class_is_no_class(tmp_path):
    data = read(tmp_path, "train/ant/images/3", "train/bee/images/3", "test/ant/images/1", "test/bee/images/1")
    assert (data.class_names, counts(data)) == (("ant", "bee"), (6, 0, 2))


def test_pictures_beside_folders_of_pictures_are_of_one_class(tmp_path):
    assert read(tmp_path, "ant/3", "ant/small/3", "ant/large/3", "bee/3").class_names == ("ant", "bee")


# spelling


def test_split_folders_may_spell_a_class_otherwise(tmp_path):
    other = unicodedata.normalize("NFD", "caf\u00e9")
    data = read(tmp_path, "train/caf\u00e9/3", f"test/{other}/2", "train/Hot_Dog/3", "test/hot dog/2")
    assert (data.class_names, counts(data)) == (("Hot_Dog", "caf\u00e9"), (6, 0, 4))
    assert data.class_origins == ("train/Hot_Dog, test/hot dog", f"train/caf\u00e9, test/{other}")
    assert any("test/hot dog is read as class 'Hot_Dog'" in note for note in data.notes)


def test_two_spellings_in_one_split_stay_two_classes(tmp_path):
    data = read(tmp_path, "train/hot_dog/2", "train/hot dog/2", "test/hot_dog/1", "test/hot dog/1")
    assert data.class_names == ("hot dog", "hot_dog")
    with pytest.raises(DatasetError, match="1 classes have no training images: HOT DOG"):
        read(tmp_path, "test/HOT DOG/1")


# what is passed over


def test_hidden_files_are_passed_over_and_others_counted_by_kind_and_class(tmp_path):
    data = read(tmp_path, "ant/4", "bee/4", "ant/._0.png", "ant/.DS_Store", "__MACOSX/ant/._0.png", ".git/x.png",
                "bee/@eaDir/thumb.jpg", "ant/a.txt", "ant/b.txt", "bee/c.TXT", "loose.png", "labels")  # fmt: skip
    assert sum(counts(data)) == 8
    assert data.notes == (
        "5 files are ignored, which are no images or in no class's folder: ant/a.txt, ant/b.txt, bee/c.TXT, labels, "
        "loose.png (3 .txt: ant 2, bee 1; 1 .png: no class 1; 1 without ending: no class 1)",
    )


def test_links_are_followed_and_no_folder_is_read_twice(tmp_path):
    tree(tmp_path / "elsewhere", "5")
    mine = tree(tmp_path / "mine", "ant/4", "bee/4")
    for name, target in (("ant/self", "."), ("ant/up", ".."), ("bee/top", str(tmp_path)), ("bee/ants", "../ant"),
                         ("bee/loop", "loop")):  # fmt: skip
        (mine / name).symlink_to(target)
    (mine / "cow").symlink_to(tmp_path / "elsewhere")
    (mine / "ant" / "9.png").symlink_to(mine / "ant" / "0.png")
    data = read_folder("mine", mine, validate=False)
    assert (data.class_names, sum(counts(data))) == (("ant", "bee", "cow"), 5 + 4 + 5)
    assert data.notes[0].startswith("4 links are passed over, to folders that were read already or that hold this one")
    assert data.notes[0].endswith("ant/self, ant/up, bee/ants, bee/top")


def test_a_pipe_is_no_picture(tmp_path):
    os.mkfifo(tree(tmp_path, "ant/4", "bee/4") / "ant" / "pipe.png")
    assert sum(counts(read(tmp_path))) == 8


def test_names_that_are_no_utf8(tmp_path):
    """A picture's is kept; a class's needs a name."""
    tree(tmp_path, "bee/4")
    folder = os.fsencode(tmp_path) + b"/M\xfcll"
    os.mkdir(folder)
    for number in range(4):
        open(folder + b"/\xe4%d.png" % number, "wb").close()
    with pytest.raises(DatasetError, match=r"these class names are no UTF-8: M\\xfcll.*dataset\.class_names=FILE"):
        read_folder("mine", tmp_path, validate=False)
    data = read_folder("mine", tmp_path, class_names=["rubbish", "bee"], validate=False)
    assert data.class_names == ("rubbish", "bee")
    assert len(set(data.train.content_ids())) == 1
    assert os.fsencode(paths(data.train)[0]).startswith(b"M\xfcll/\xe4")


# the name


@pytest.mark.parametrize(("given", "name"), [(None, "my_pets_2"), ("folder", "my_pets_2"), ("mine", "mine")])
def test_the_default_name_is_the_folders_own(tmp_path, given, name):
    assert read_folder(given, tree(tmp_path / "my pets (2)", "a/2", "b/2"), validate=False).name == name
