"""Whose name is which: files in all their forms, names by key, by name and by place, and what is said of them."""

import json

import pytest

from promptlab.class_text.given_names import checked_names, indices_of
from promptlab.class_text.name_notes import name_notes
from promptlab.class_text.names import in_label_order, names_by_label, names_for, names_of_numbers
from promptlab.class_text.names_file import read_class_names
from promptlab.support.errors import DatasetError

ROSES = {"1": "rose", "2": "tulip", "10": "sun flower"}


def written(folder, name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "1\trose\r\n2\ttulip\r\n10\tsun flower"),
        ("a.txt", "1: rose\n\n2: tulip\n10: sun flower\n"),
        ("a.txt", "10 sun flower\n1 rose\n2 tulip"),
        ("a.txt", "01 rose\n02 tulip\n10 sun flower"),
        ("a.txt", "1. rose\n2. tulip\n10. sun flower"),
        ("a.txt", "1,rose\n2,tulip\n10,sun flower"),
        ("a.csv", "1,rose\n2,tulip\n10,sun flower"),
        ("a.csv", "id;name\n1;rose\n2;tulip\n10;sun flower"),
        ("a.csv", 'name,label\n"rose",1\n"tulip",2\n"sun flower",10'),
        ("a.csv", "class_id,family,class_name\n1,x,rose\n2,x,tulip\n10,y,sun flower"),
        ("a.tsv", "Folder\tClass Name\n1\trose\n2\ttulip\n10\tsun flower"),
        ("a.json", json.dumps(ROSES)),
        ("names", json.dumps(ROSES, indent=2)),
    ],
)
def test_files_that_say_whose_each_name_is(tmp_path, name, text, encoding):
    assert names_for(["1", "2", "10"], written(tmp_path, name, text, encoding)) == ("rose", "tulip", "sun flower")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "rose\r\ntulip\r\n"), ("a.csv", "rose\ntulip"), ("a.csv", "name\nrose\ntulip"),
     ("a.json", '["rose", "tulip"]')],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_that_list_names(tmp_path, name, text, encoding):
    assert read_class_names(written(tmp_path, name, text, encoding)) == ["rose", "tulip"]


@pytest.mark.parametrize(
    ("name", "text", "encoding", "message"),
    [
        ("a.txt", "café\n", "latin-1", "seems to be LATIN1: save it as UTF-8"),
        ("a.txt", "cat\ndog\n", "utf-16", "seems to be UTF-16: save it as UTF-8"),
        ("a.txt", "cat\ndog\n", "utf-16-le", "seems to be UTF-16"),
        ("a.json", "cat\ndog\n", "utf-8", "is no JSON"),
        ("a.json", '{"cat": 0, "dog": 1}', "utf-8", "'cat' is named 0: turn it round, 0: cat"),
        ("a.json", '{"0": ["n01440764", "tench"]}', "utf-8", r"the name of '0' is \['n01440764', 'tench'\], no text"),
        ("a.json", '{"1": "a", "1": "b"}', "utf-8", "more than once: 1"),
        ("a.json", "[1, 2]", "utf-8", "name 0 is 1, no text. Put it in quotes: '1'"),
        ("a.json", "[]", "utf-8", "holds no names"),
        ("a.csv", "a,b,c\n1,2,3\n", "utf-8", "has 3 columns: two are needed"),
        ("a.csv", "id,name\n1\n", "utf-8", "has no name"),
        ("a.csv", "name\ncat, tabby\n", "utf-8", "has more cells than the first: quote"),
        ("a.csv", "id,name\n", "utf-8", "holds no names"),
        ("a.csv", "id,name\n1,\n", "utf-8", "the name of 1 is empty"),
        ("a.txt", "cat\ttabby\ndog\n", "utf-8", "line 2 has no tab: 'dog'"),
    ],
)
def test_files_that_cant_be_read_are_named_with_the_cure(tmp_path, name, text, encoding, message):
    with pytest.raises(DatasetError, match=message) as caught:
        read_class_names(written(tmp_path, name, text, encoding))
    assert name in str(caught.value)


def test_a_text_in_place_of_a_list_is_taken_for_a_file():
    with pytest.raises(DatasetError, match=r"can't be read: cat \(No such file.*names themselves are given as a list"):
        names_for(["cat"], "cat")


@pytest.mark.parametrize(
    ("keys", "given", "names"),
    [
        (["cat", "dog"], ["dog", "cat"], ("cat", "dog")),
        (["Hot_Dog", "cat"], ["Cat", "hot dog"], ("hot dog", "Cat")),
        (["AnnualCrop", "SeaLake"], ["sea lake", "annual crop"], ("annual crop", "sea lake")),
        (["cat", "dog"], ["owl", "dog", "cat"], ("cat", "dog")),
        (["cafe\u0301", "bar"], ["bar", "caf\u00e9"], ("caf\u00e9", "bar")),
        (["t-shirt", "t shirt"], ["t shirt", "t-shirt"], ("t-shirt", "t shirt")),
        (["missile", "missile"], ["missile", "missile"], ("missile", "missile")),
        (["n01", "n02"], [" tench ", "goldfish"], ("tench", "goldfish")),
        (["1", "2"], {2: "tulip", "01": "rose"}, ("rose", "tulip")),
        (["hot_dog", "cat"], {"Hot Dog": "sausage"}, ("sausage", "cat")),
        (["cat"], {"cat": "tabby", "owl": "of another dataset"}, ("tabby",)),
        (["कि", "क"], ["क", "कि"], ("कि", "क")),
    ],
)
def test_names_belong_to_the_keys_that_they_are(keys, given, names):
    assert names_for(keys, given) == names


@pytest.mark.parametrize(
    ("keys", "given", "message"),
    [
        (["cat", "dog"], ["dog", "pig"], "by its place 'dog' names 'cat', but there is a class 'dog'"),
        (["blue", "red"], ["red star", "blue ring"], "is 'red star' the name of 'blue'"),
        (["class_1", "class_10", "class_2"], ["a", "b", "c"], "are they in the order class_1, class_10, class_2, or"),
        (["10 ring", "9 star"], ["a", "b"], "are they in the order 10 ring, 9 star, or 9 star, 10 ring"),
        (["cat", "dog"], ["a"], "1 class names are given for 2 classes, .*: cat, dog. Say whose each name is"),
        (["1.0", "2.0"], {"1.0": "one", "10": "ten", "20": "twenty"}, "for what is no class: 10, 20"),
        (["cat", "dog"], {"cat": "tabby", "dgo": "hound"}, "for what is no class: dgo; the classes are cat, dog"),
        (["cat", "dog"], [1, 2], "name 0 is 1, no text. Put it in quotes: '1'"),
        (["cat", "dog"], {"cat": 1}, "the name of 'cat' is 1, no text|'cat' is named 1"),
        (["cat", "dog"], ["a", " "], "name 1 is empty"),
        (["cat", "dog"], {"a", "b"}, "a set, which has no order"),
    ],
)
def test_whose_name_is_which_is_asked_where_it_cant_be_told(keys, given, message):
    with pytest.raises(DatasetError, match=message):
        names_for(keys, given)


def test_numbers_sort_as_numbers():
    assert in_label_order(["10", "9", "010", "1"]) == ["1", "9", "010", "10"]
    assert in_label_order(["10 ring", "9 star"]) == ["10 ring", "9 star"]  # labels of earlier Results
    assert names_for(in_label_order(map(str, range(1, 12))), list("abcdefghijk")) == tuple("abcdefghijk")


def test_names_of_labels_that_are_numbers(tmp_path):
    assert names_of_numbers(written(tmp_path, "a.txt", "1 dog\n0 cat\n")) == ("cat", "dog")
    assert names_of_numbers(written(tmp_path, "b.json", '{"1": "dog", "0": "cat"}')) == ("cat", "dog")
    assert names_by_label({"1", "3"}, {3: "owl", 1: "cat"}) == {"1": "cat", "3": "owl"}
    assert names_by_label({"01", "10"}, {1: "rose", 10: "fern", 11: "moss"}) == {"01": "rose", "10": "fern"}
    assert names_by_label({"0", "1"}, ["cat", "dog", "owl"]) == {"0": "cat", "1": "dog", "2": "owl"}
    with pytest.raises(DatasetError, match="need the keys 0 to 1; given are 1, 2"):
        names_of_numbers({1: "cat", 2: "dog"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [("AnnualCrop", "CamelCase"), ("seaLake", "CamelCase"), ("n01440764", "an id"), ("n02085620-Chihuahua", "an id"),
     ("c0", "an id"), ("class_01", "a number among its words"), ("7", "a number")],
)  # fmt: skip
def test_names_that_are_no_words_are_shown_as_they_are_read(name, kind):
    (note,) = name_notes([name, "cat"], "a photo of a {}, a pet.")
    read = name.lower().replace("_", " ")
    assert note.startswith(
        f"1 class name isn't made of words: {name!r} ({kind}) is read as 'a photo of a {read}, a pet.'"
    )


@pytest.mark.parametrize(
    "names",
    [("polar_bear", "T-shirt", "iPod"), ("2012 McLaren MP4-12C Coupe", "2012 Audi TT RS Coupe"), ("A380", "707-320"),
     ("Annual Crop Land", "Sea or Lake"), ("ApplyEyeMakeup".replace("Eye", "_Eye_"), "Yo_Yo"), ("Straße", "Äpfel")],
)  # fmt: skip
def test_names_of_benchmarks_are_words(names):
    assert name_notes(names, "a photo of a {}.") == ()


def test_a_few_names_stand_for_many():
    notes = name_notes([f"{number}.cat{'!' * number}" for number in range(1, 9)], "a {}.")
    assert len(notes) == 1
    assert notes[0].count("(a number in front)") == 3
    assert "and 5 more" in notes[0]
    (same,) = name_notes(["missile", "missile", "Missile"], "a {}.")
    assert same.endswith("'missile' and 'missile' and 'Missile' ('a missile.')")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", r"one text: give a list of names, \['cat'\]"),
        (["cat", 7], "class name 1 is 7, no text: give '7'"),
        (["cat", ""], "class name 1 is empty"),
        ([None], "class name 0 is None"),
        ({"cat", "dog"}, "class_names is a set: give a list of names, whose order counts"),
    ],
)
def test_what_is_no_list_of_names_is_refused(given, message):
    assert checked_names(["cat", "dog"]) == ("cat", "dog")
    with pytest.raises(ValueError, match=message):
        checked_names(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", r"give a list, \['cat'\]"),
        (1, r"give a list, \[1\]"),
        (["hotdog"], "no class 'hotdog'"),
        ([4], "there is no class 4: there are 4, 0 to 3"),
        ([-1], "no class -1"),
        ([True], "no class"),
        (["missile"], "the name of 2 classes: give their number, 2"),
        ([0, "cat"], "chosen more than once: cat"),
    ],
)
def test_classes_by_number_or_name(given, message):
    names = ["cat", "Hot_Dog", "missile", "missile"]
    assert indices_of(["hot dog", 0], names) == (1, 0)
    with pytest.raises(ValueError, match=message):
        indices_of(given, names)
