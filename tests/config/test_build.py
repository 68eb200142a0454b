"""Nodes of the configuration against signatures: every mistake is named before anything is made."""

import pytest

from promptlab.config.build import arguments_of, check, factory
from promptlab.config.schema import ConfigError
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
        ({"_target_": COOP, "n_ctx": "four"}, r"learner\.n_ctx='four': int or null is needed"),
        ({"_target_": COOP, "n_ctx": True}, r"int or null is needed"),
        ({"_target_": COOP, "csc": "yes"}, r"learner\.csc='yes': bool is needed"),
        ({"_target_": COOP, "class_token_position": "begin"}, "one of end, middle, front is needed"),
        (
            {"_target_": COOP, "optim": {"_target_": OPTIM, "lrr": 1}},
            r"unknown key learner\.optim\.lrr, did you mean lr\?",
        ),
        ({"_target_": COOP, "optim": {"_target_": OPTIM, "lr": "fast"}}, r"learner\.optim\.lr='fast': float is needed"),
    ],
)
def test_mistakes_are_named(node, message):
    with pytest.raises(ConfigError, match=message):
        check(node, "learner")


def test_what_the_inner_node_refuses_is_named():
    node = {"_target_": COOP, "optim": {"_target_": OPTIM, "epochs": 0}}
    with pytest.raises(ConfigError, match=r"learner: optim\.epochs=0: at least 1"):
        factory(node, "learner")


def test_factory_makes_inner_nodes_and_drops_what_is_for_people():
    node = {"_target_": OPTIM, "about": {"summary": "x"}, "name": "adam", "lr": 1}
    assert factory(node, "optim")() == Optim(name="adam", lr=1)
    assert factory({**node, "name": 3}, "optim", drop=("name",))() == Optim(lr=1)


def test_arguments_include_defaults():
    node = {"_target_": COOP, "about": {}, "name": "coop", "optim": {"_target_": OPTIM, "lr": 0.1}}
    arguments = arguments_of(node, "learner", drop=("name",))
    assert arguments["class_token_position"] == "end"
    assert arguments["optim"]["lr"] == 0.1
    assert arguments["optim"]["epochs"] == 200
    assert not {"about", "name", "_target_"} & arguments.keys()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"steps": None, "betas": [0.9, 0.999], "eta_min": 0.0}, {}),
        ({"betas": [0.9, 0.99]}, {"betas": [0.9, 0.99]}),
        ({"eta_min": 1e-6}, {"eta_min": 1e-6}),
    ],
)
def test_arguments_that_came_later_are_told_where_they_do_something(given, kept):
    """Ids of fits from before they came stay what they were."""
    target = {"_target_": OPTIM}
    plain = arguments_of(target, "optim")
    assert not {"steps", "betas", "eta_min"} & plain.keys()
    assert arguments_of({**target, **given}, "optim") == {**plain, **kept}
