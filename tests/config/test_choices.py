"""Nodes of the configuration against signatures: every mistake is named before anything is made."""

import pytest

from promptlab.config.choice import Choice
from promptlab.config.choices import choice_of, rehearse
from promptlab.config.settings import ConfigError
from promptlab.data import read_features
from promptlab.learners import CoOp
from promptlab.learners.base.optim import Optim

COOP = "promptlab.learners.CoOp"
OPTIM = "promptlab.training.Optim"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "learner has no _target_"),
        ({"_target_": "promptlab.learners.CoOpp"}, "can't be imported"),
        ({"_target_": "nonsense"}, "can't be imported"),
        ({"_target_": COOP, "n_ctxx": 4}, r"unknown key learner\.n_ctxx, did you mean n_ctx\?; CoOp takes: .*csc"),
        (
            {"_target_": COOP, "n_ctx": "four"},
            r"learner\.n_ctx='four': a whole number from 1 to 1,000 or null is needed",
        ),
        ({"_target_": COOP, "n_ctx": True}, r"a whole number from 1 to 1,000 or null is needed"),
        ({"_target_": COOP, "csc": "yes"}, r"learner\.csc='yes': true or false is needed"),
        ({"_target_": COOP, "class_token_position": "begin"}, "one of end, middle, front is needed"),
        (
            {"_target_": COOP, "optim": {"_target_": OPTIM, "lrr": 1}},
            r"unknown key learner\.optim\.lrr, did you mean lr\?",
        ),
        (
            {"_target_": COOP, "optim": {"_target_": OPTIM, "lr": "fast"}},
            r"learner\.optim\.lr='fast': a number above 0 and up to 1,000 is needed",
        ),
    ],
)
def test_mistakes_are_named(node, message):
    with pytest.raises(ConfigError, match=message):
        choice_of(node, "learner")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"optim": {"_target_": COOP}}, r"learner\.optim\._target_=.*CoOp: Optim or null is needed"),
        ({"optim": {"lr": 1}}, r"learner\.optim=\{'lr': 1\}: Optim or null is needed, by its keys: learner"),
        ({"n_ctx": 2, "ctx_init": "a photo of a"}, "learner: n_ctx=2, but ctx_init='a photo of a' has more words"),
    ],
)
def test_what_no_single_value_shows_is_named_too(node, message):
    with pytest.raises(ConfigError, match=message):
        choice_of({"_target_": COOP, **node}, "learner")


def test_what_the_inner_node_refuses_is_named():
    node = {"_target_": COOP, "optim": {"_target_": OPTIM, "epochs": 0}}
    with pytest.raises(ConfigError, match=r"learner\.optim\.epochs=0: a whole number from 1"):
        choice_of(node, "learner")


def test_what_an_inner_node_refuses_when_it_is_made_is_named():
    def refuse():
        raise ValueError("not today")

    with pytest.raises(ConfigError, match="learner: not today"):
        rehearse(Choice(CoOp, {"optim": Choice(refuse)}), "learner")


def test_a_choice_makes_inner_choices_and_drops_what_is_for_people():
    node = {"_target_": OPTIM, "about": {"summary": "x"}, "name": "adam", "lr": 1}
    assert choice_of(node, "optim").make() == Optim(name="adam", lr=1)
    outer = choice_of({"_target_": COOP, "name": "mine", "optim": node}, "learner")
    assert outer.factory().keywords == {"optim": Optim(name="adam", lr=1)}
    assert outer.label == "mine"


def test_choices_in_lists_are_made_too():
    optim = choice_of({"_target_": OPTIM, "lr": 1}, "optim")
    assert Choice(dict, {"optims": [optim], "by": {"name": optim}}).make() == {
        "optims": [Optim(lr=1)],
        "by": {"name": Optim(lr=1)},
    }


def test_a_choice_names_itself_as_a_configuration_does():
    node = {"name": "mine", "_target_": COOP, "n_ctx": 4, "optim": {"_target_": OPTIM, "lr": 0.1}}
    assert choice_of({"about": {}, **node}, "learner").as_node() == node


def test_what_moved_is_found_where_it_was():
    choice = choice_of({"_target_": "promptlab.data.feature_files.read_features", "train": "a", "test": "b"}, "dataset")
    assert choice.kind is read_features
    assert choice.path == "promptlab.data.feature_files.read_features"


def test_a_name_is_an_argument_where_the_target_takes_one_or_is_refused():
    node = {"_target_": OPTIM, "name": "adam"}
    assert choice_of(node, "optim").arguments == {"name": "adam"}
    assert choice_of(node, "optim", named=True).name == "adam"
    with pytest.raises(ConfigError, match=r"unknown key dataset\.name"):
        choice_of({"_target_": COOP, "name": "x"}, "dataset", named=False)


def test_whatever_an_inner_choice_raises_is_a_message():
    def broken():
        raise KeyError("lost")

    with pytest.raises(ConfigError, match="learner: KeyError: 'lost'"):
        rehearse(Choice(CoOp, {"optim": Choice(broken)}), "learner")


def test_whole_numbers_are_texts_where_texts_are_meant():
    node = {"_target_": "promptlab.data.read_csv", "name": 2024, "path": 7, "class_names": {1: "rose", 2: "tulip"}}
    arguments = {"name": "2024", "path": "7", "class_names": {"1": "rose", "2": "tulip"}}
    assert choice_of(node, "dataset", named=False).arguments == arguments
    assert choice_of({"_target_": COOP, "n_ctx": 4}, "learner").arguments == {"n_ctx": 4}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 1.5, r"dataset\.name=1\.5 is read as a number: write dataset\.name=\"'1\.5'\" for a text"),
        ("name", True, r"dataset\.name=True is read as a number"),
        ("class_names", [1, "b"], r"1 is a number, and texts are needed: write dataset\.class_names=\"\['1','b'\]\""),
        ("class_names", {"a": 2}, r"write dataset\.class_names=\"{a: '2'}\""),
    ],
)
def test_other_numbers_in_place_of_texts_are_named_with_the_cure(key, value, message):
    with pytest.raises(ConfigError, match=message):
        choice_of({"_target_": "promptlab.data.read_csv", key: value}, "dataset", named=False)
