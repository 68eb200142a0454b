"""Every learner that promptlab offers passes the contract that plug-ins pass."""

import inspect

import pytest

import promptlab.learners
from promptlab.learners import Optim, PromptLearner
from promptlab.learners.base.contract import require_same
from promptlab.learners.base.new_process import scores_in_new_process
from promptlab.learners.contract import LearnerContract
from tests.helpers import toys
from tests.helpers.learners import LEARNERS

IN_NEW_PROCESS = "test_a_new_process_scores_the_same"
TESTS = [name for name in vars(LearnerContract) if name.startswith("test_") and name != IN_NEW_PROCESS]


def contract_of(learner, arguments):
    return type("Contract", (LearnerContract,), {"learner": learner, "arguments": arguments})()


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("case", LEARNERS)
def test_the_contract_is_kept(case, test):
    getattr(contract_of(*LEARNERS[case]), test)()


def test_all_of_them_score_the_same_in_one_new_process():
    cases = [*LEARNERS.values(), (toys.Averages, {"optim": Optim(epochs=4)}), (toys.MeanOfViews, {})]
    saved = [contract_of(*case).saved() for case in cases]
    for asked, answer in zip(saved, scores_in_new_process(saved), strict=True):
        require_same(asked, answer)


def test_every_learner_is_among_them():
    offered = {getattr(promptlab.learners, name) for name in promptlab.learners.__all__}
    learners = {kind for kind in offered if inspect.isclass(kind) and issubclass(kind, PromptLearner)}
    missing = {kind for kind in learners if not inspect.isabstract(kind)} - {
        learner for learner, _ in LEARNERS.values()
    }
    assert not missing, "give these an entry in tests/helpers/learners.py"
