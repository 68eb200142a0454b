"""Pictures as somebody has them: tables of other programs, and what is said of them."""

import io
import sys
from types import SimpleNamespace

import pytest

from promptlab.own.labelled_pictures import read_labelled
from promptlab.own.negatives import with_negatives
from promptlab.support.errors import DatasetError, UsageError
from tests.helpers.drawn import pictures


@pytest.fixture
def table(tmp_path):
    """Write a table of four pictures from cells behind their paths; the answer is its path."""
    pictures(tmp_path / "drawn", 2, 2)
    paths = sorted((tmp_path / "drawn").glob("*/*.png"))

    def write(header, *cells):
        file = tmp_path / "pictures.csv"
        rows = [f"{path},{cell}" for path, cell in zip(paths, cells, strict=True)]
        file.write_text("\n".join([header, *rows]) + "\n")
        return file

    return write


def test_numbers_are_names_in_a_table_as_they_are_of_folders(table):
    given = read_labelled(str(table("path,label", 1, 1, 10, 10)))
    assert given.class_names == ("1", "10")
    assert any("'1' (a number)" in note for note in given.notes)


def test_pictures_of_a_test_list_are_left_out_and_said(table):
    given = read_labelled(str(table("path,label,split", "a,train", "a,test", "b,train", "b,val")))
    assert len(given.items) == 3
    assert given.notes == ("1 row of the test list is left out",)


def test_nothing_is_said_of_a_configuration_that_nobody_has(table):
    (note,) = read_labelled(str(table("path,label", 1, 1, 2, 2))).notes
    assert note.endswith("; rename them to have them read otherwise")


def test_a_table_on_standard_input_has_that_name(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a.png\nb.png\n")))
    with pytest.raises(DatasetError, match=r"^standard input has no column path and no column label"):
        read_labelled("-")


def test_a_column_that_is_there_twice_is_refused(table):
    file = table("path,label,label", "a,x", "a,x", "b,y", "b,y")
    with pytest.raises(DatasetError, match="has 2 columns label; give all but one another name"):
        read_labelled(str(file))
    file = table("path,label,who,Who", "a,x,x", "a,x,x", "b,y,y", "b,y,y")
    assert len(read_labelled(str(file)).items) == 4
    with pytest.raises(DatasetError, match="has 2 columns who"):
        read_labelled(str(file), group="who")


def test_a_name_that_turns_what_follows_is_no_fault_of_its_encoding(table):
    with pytest.raises(DatasetError, match=r"1 class name holds signs that can't be seen: a\\u202eb"):
        read_labelled(str(table("path,label", "a\u202eb", "a\u202eb", "c", "c")))


def test_a_picture_alone_is_no_table(tmp_path):
    pictures(tmp_path, 1, 1)
    (picture,) = tmp_path.glob("*/*.png")
    with pytest.raises(DatasetError, match=r"000\.png is a picture: a folder with a folder of pictures per class"):
        read_labelled(str(picture))


def test_an_empty_path_is_not_the_working_folder(tmp_path, monkeypatch, table):
    given = read_labelled(str(table("path,label", "a", "a", "b", "b")))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"--negatives '': a folder, or names with commas between, is needed"):
        with_negatives(given, "")
    with pytest.raises(UsageError, match=r"PICTURES is '': a folder, a table, or - is needed"):
        read_labelled("")
