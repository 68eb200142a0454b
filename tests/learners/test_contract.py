"""Every learner that promptlab offers passes the contract that plug-ins pass."""

import inspect

import pytest

import promptlab.learners
from promptlab.learners import PromptLearner
from promptlab.learners.contract import LearnerContract
from tests.helpers.learners import LEARNERS

TESTS = [name for name in vars(LearnerContract) if name.startswith("test_")]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("case", LEARNERS)
def test_the_contract_is_kept(case, test):
    learner, arguments = LEARNERS[case]
    contract = type("Contract", (LearnerContract,), {"learner": learner, "arguments": arguments})
    getattr(contract(), test)()


def test_every_learner_is_among_them():
    offered = {getattr(promptlab.learners, name) for name in promptlab.learners.__all__}
    learners = {kind for kind in offered if inspect.isclass(kind) and issubclass(kind, PromptLearner)}
    missing = {kind for kind in learners if not inspect.isabstract(kind)} - {
        learner for learner, _ in LEARNERS.values()
    }
    assert not missing, "give these an entry in tests/helpers/learners.py"
