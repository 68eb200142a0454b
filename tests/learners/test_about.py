"""What ``promptlab list learners`` says of each: its family, and what it needs."""

import inspect

import pytest

import promptlab.learners
from promptlab.config.groups import choices
from promptlab.learners.base.wrapper import Wrapper
from promptlab.learners.ship.learner import SHIP

FAMILIES = {"prompt", "adapter", "fine-tune", "test-time", "transductive"}
LEARNERS = choices("learner")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_says_its_family_and_what_it_needs(name):
    about = LEARNERS[name]["about"]
    assert about["family"] in FAMILIES
    assert {"summary", "paper", "trains", "needs"} <= about.keys()


@pytest.mark.parametrize("name", [name for name, node in LEARNERS.items() if "_target_" in node])
def test_what_it_needs_is_what_its_class_says(name):
    needs = LEARNERS[name]["about"]["needs"]
    kind = getattr(promptlab.learners, LEARNERS[name]["_target_"].rpartition(".")[2])
    assert inspect.isclass(kind)
    if issubclass(kind, Wrapper | SHIP):
        assert "inner" in needs
    elif kind.test_time or needs.startswith("views"):
        assert LEARNERS[name]["about"]["family"] == "test-time"
    elif kind.reads == "pre_projection":
        assert needs == "features before the projection"
    else:
        assert needs == kind.needs
