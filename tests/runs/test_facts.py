"""What a fit is: arguments with their defaults, however they were given."""

from functools import partial

import pytest

from promptlab.config.choice import Choice
from promptlab.learners import SHIP, CoOp, Optim
from promptlab.runs.facts import arguments_of

KINDS = [(Optim, "a.Optim"), (Optim, "b.Optim")]


def test_arguments_include_defaults():
    arguments = arguments_of(Choice(CoOp, {"optim": Choice(Optim, {"lr": 0.1})}, name="coop"))
    assert arguments["class_token_position"] == "end"
    assert (arguments["optim"]["lr"], arguments["optim"]["epochs"]) == (0.1, 200)


def test_choices_and_objects_are_the_same_facts():
    by_choice = Choice(SHIP, {"inner": Choice(CoOp, {"n_ctx": 2}, as_factory=True), "generator_optim": Choice(Optim)})
    by_object = Choice(SHIP, {"inner": partial(CoOp, n_ctx=2), "generator_optim": Optim()})
    assert arguments_of(by_choice) == arguments_of(by_object)
    assert arguments_of(by_choice)["inner"]["_target_"] == "promptlab.learners.CoOp"
    assert arguments_of(Choice(SHIP, {"inner": CoOp}))["inner"]["version"] == 1


def test_an_argument_that_was_added_later_counts_where_it_is_set():
    class Grown(CoOp):
        added_later = {"csc": False}  # noqa: RUF012

    assert "csc" not in arguments_of(Choice(Grown))
    assert arguments_of(Choice(Grown, {"csc": True}))["csc"] is True


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"steps": None, "betas": [0.9, 0.999], "eta_min": 0.0}, {}),
        ({"betas": (0.9, 0.999)}, {}),
        ({"betas": [0.9, 0.99]}, {"betas": [0.9, 0.99]}),
        ({"eta_min": 1e-6}, {"eta_min": 1e-6}),
    ],
    ids=str,
)
def test_fields_of_optim_that_came_later_count_where_they_do_something(given, kept):
    """Ids of fits from before they came stay what they were."""
    plain = arguments_of(Choice(Optim))
    assert not {"steps", "betas", "eta_min"} & plain.keys()
    assert arguments_of(Choice(Optim, given)) == {**plain, **kept}


def test_choices_in_lists_are_told_apart_by_their_class():
    lists = [Choice(CoOp, {"optims": [Choice(kind, {"lr": 1.0}, target=name)]}) for kind, name in KINDS]
    first, second = (arguments_of(choice)["optims"] for choice in lists)
    assert first == [{"_target_": "a.Optim", "lr": 1.0}]
    assert first != second
