"""Other inputs of the kinds that people hit: names files, layouts and tables a little different from the usual ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from promptlab import ZeroShot, load_clip, load_results, predict, read_csv, read_folder
from promptlab.cli.main import main
from promptlab.support.errors import DatasetError
from tests.helpers.drawn import pictures


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Eight classes of four pictures, to be copied from."""
    root = tmp_path_factory.mktemp("drawn")
    return root, pictures(root, 8, 4)


@pytest.fixture
def numbered(drawn, tmp_path):
    """The folders ``1`` to ``8``, and the names that belong to them."""
    root, names = drawn
    for number, name in enumerate(names, 1):
        shutil.copytree(root / name, tmp_path / "numbered" / str(number))
    return tmp_path / "numbered", names


def read(folder, **options):
    return read_folder("mine", folder, test="all", validate=False, **options)


FORMS = {
    "name number": ("names.txt", "{name} {number}", True),
    "name<TAB>number": ("names.txt", "{name}\t{number}", True),
    "name,number": ("names.csv", "{name},{number}", True),
    "name: number": ("names.txt", "{name}: {number}", True),
    "number.": ("names.txt", "{number}. {name}", True),
    "in quotes": ("names.txt", '"{name}"', False),
    "in quotes, with commas": ("names.txt", "'{name}',", False),
    "with commas": ("names.txt", "{name},", False),
}


@pytest.mark.parametrize(("file", "line", "backwards"), FORMS.values(), ids=FORMS)
def test_names_are_read_as_lists_of_others_have_them(numbered, tmp_path, file, line, backwards):
    folder, names = numbered
    lines = [line.format(name=name, number=number) for number, name in enumerate(names, 1)]
    (tmp_path / file).write_text(
        "\n".join(["# my classes", *(reversed(lines) if backwards else lines)][file[-1] == "v" :])
    )
    assert read(folder, class_names=tmp_path / file).class_names == tuple(names)


def test_a_number_that_is_all_that_differs_is_no_key(tmp_path):
    for number in (0, 1, 2):
        (tmp_path / "pics" / str(number)).mkdir(parents=True)
        (tmp_path / "pics" / str(number) / "a.png").touch()
    (tmp_path / "names.txt").write_text("level 0\nlevel 1\nlevel 2")
    assert read(tmp_path / "pics", class_names=tmp_path / "names.txt").class_names == ("level 0", "level 1", "level 2")


def test_names_that_hold_the_keys_of_others_are_asked_about(drawn):
    root, names = drawn
    numbered = [f"{name.replace(' ', '_')} {number}" for number, name in enumerate(names)]
    assert read(root, class_names=numbered).class_names == tuple(numbered)
    with pytest.raises(
        DatasetError, match=r"is '.* 7' the name of 'blue striped circle', .* or of '.*', which it holds"
    ):
        read(root, class_names=numbered[::-1])


def test_blanks_around_a_folders_name_are_no_part_of_the_prompt(drawn, tmp_path):
    root, names = drawn
    for name in names:
        shutil.copytree(root / name, tmp_path / f" {name} ".replace(" striped", "\tstriped"))
    assert read(tmp_path).class_names == tuple(names)


def test_images_beside_a_class_s_own_are_named(drawn, tmp_path, capsys):
    """Masks in a folder beside the pictures would train as pictures, without a word."""
    root, names = drawn
    shutil.copytree(root, tmp_path / "pics")
    for name in names:
        shutil.copytree(root / names[0], tmp_path / "pics" / name / "masks")
    words = ["learner=zero_shot", "protocol=few_shot", "views=0", "dataset=folder", "dataset.test=all"]
    assert main([*words, f"dataset.path={tmp_path / 'pics'}", f"results={tmp_path / 'out'}"]) == 0
    (result,) = load_results(tmp_path / "out")
    assert any(f"count as the class's: {names[0]}/masks, " in note for note in result.notes)
    assert f"{names[0]}/masks" in " ".join(capsys.readouterr().err.split())


def test_a_class_called_test_is_said_to_be_one(drawn, tmp_path):
    root, names = drawn
    shutil.copytree(root, tmp_path / "pics")
    (tmp_path / "pics" / names[0]).rename(tmp_path / "pics" / "test")
    data = read(tmp_path / "pics")
    assert "folder test is read as a class, as those beside it are" in " ".join(data.notes)
    assert "test" in data.class_names


LABELS = {"NA": "a missing value?", "None": "a missing value?", "True": "a truth value", "2024-01-02": "a date"}


@pytest.mark.parametrize(("label", "kind"), LABELS.items())
def test_labels_that_are_no_names_are_noted(drawn, tmp_path, label, kind):
    root, names = drawn
    rows = [f"{root / name}/00{i}.png,{name if name != names[0] else label}" for name in names[:3] for i in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    notes = " ".join(read_csv("mine", tmp_path / "list.csv", validate=False).notes)
    assert f"1 class name isn't made of words: '{label}' ({kind}) is read as 'a photo of a {label.lower()}.'" in notes


PATHS = {
    "an address": ("https://some.org/{name}/{file}.png", "12 paths are addresses: https://some.org/"),
    "no ending": ("{root}/{name}/{file}", "there is {name}/000.png, though: paths need the ending"),
    "another case": ("{root}/{name}/{file}.PNG", "there is {name}/000.png, though: paths need the ending and the case"),
}


@pytest.mark.parametrize(("path", "message"), PATHS.values(), ids=PATHS)
def test_paths_that_lead_nowhere_are_refused_with_what_is_there(drawn, tmp_path, path, message):
    root, names = drawn
    rows = [f"{path.format(root=root, name=name, file=f'00{i}')},{name}" for name in names[:3] for i in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(DatasetError) as caught:
        read_csv("mine", tmp_path / "list.csv")
    assert message.format(name=names[0]) in str(caught.value).replace(f"{Path(root)}/", "")


def test_a_workbook_is_no_table(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    with pytest.raises(DatasetError, match=r"it is an archive or a workbook \(\.xlsx\): save it as CSV in UTF-8"):
        read_csv("mine", tmp_path / "list.csv")


def test_pictures_of_no_kind_that_is_read_are_counted(tmp_path):
    for name in ("cat/1.svg", "cat/2.tga", "dog/1.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"3 files are ignored.*\(2 \.svg: cat 1, dog 1; 1 \.tga: cat 1\); \.jpg, "):
        read(tmp_path)


def test_readers_name_an_option_that_is_none_of_theirs(drawn):
    root, _ = drawn
    for option in ({"test": "some"}, {"classes": "leaves"}, {"split_seed": "one"}):
        ((key, value),) = option.items()
        with pytest.raises(ValueError, match=rf"read_folder\({key}='{value}'\): .* is needed"):
            read_folder("mine", root, **option)


def test_a_path_in_the_place_of_the_name_is_told(drawn):
    with pytest.raises(DatasetError, match=r"or path='.*' in Python, where the first argument is the name"):
        read_folder(drawn[0])


def test_a_dataset_prints_in_a_line(drawn):
    data = read(drawn[0])
    assert repr(data) == "Dataset(mine: 8 classes; 0 train, 0 val, 32 test; split: all images are test images)"
    assert repr(data.test) == "Items(32 of FileImages)"


def test_a_template_may_be_a_path(drawn, tmp_path):
    (tmp_path / "prompt.txt").write_text("a drawing of a {}.\n")
    assert read(drawn[0], template=tmp_path / "prompt.txt").template == "a drawing of a {}."


def test_learners_refuse_names_that_can_be_read_once_and_classes_without_an_order():
    clip = load_clip("demo")
    with pytest.raises(ValueError, match="class_names is a generator: give a list of names"):
        ZeroShot(clip, (name for name in ("cat", "dog")))
    with pytest.raises(ValueError, match="class_names is a NoneType: give a list of names"):
        ZeroShot(clip, ["cat"]).rebind(None)
    with pytest.raises(ValueError, match="the classes are a set: give a list, whose order counts"):
        ZeroShot(clip, ["cat", "dog"]).select({0, 1})
    with pytest.raises(ValueError, match="no classes are chosen"):
        ZeroShot(clip, ["cat", "dog"]).select([])


def test_an_array_of_grey_and_alpha_is_no_batch():
    """Of (H, W, 2) every row of pixels was taken for a picture."""
    with pytest.raises(DatasetError, match=r"an array of shape \(32, 32, 2\) is no picture"):
        predict(ZeroShot(load_clip("demo"), ["cat", "dog"]), np.zeros((32, 32, 2), dtype=np.uint8))
