"""Learners that use the hooks of stages and of test time pass the tests that every learner passes."""

import pytest

from promptlab.learners.base.contract import LearnerContract
from tests.helpers import toys

TESTS = [name for name in dir(LearnerContract) if name.startswith("test_") and "new_process" not in name]
TOYS = (
    toys.EditsGradients, toys.Averages, toys.TwoGroups, toys.WeakAndStrong, toys.UsesUnlabelled, toys.MeanOfViews,
    toys.Adapts, toys.Together, toys.ReadsLengths, toys.BeforeProjection,
)  # fmt: skip


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.__name__)
def test_hooks_keep_the_contract(toy, name):
    contract = type("Contract", (LearnerContract,), {"learner": toy})()
    getattr(contract, name)()
