"""Every learner that promptlab offers passes the contract that plug-ins pass."""

import copy
import inspect
import tempfile
from functools import cache, partial

import pytest
import torch

import promptlab.learners
from promptlab.learners import Optim, PromptLearner, TipAdapter
from promptlab.learners.base.contract import NAMES, backbone, require_same
from promptlab.learners.base.new_process import scores_in_new_process
from promptlab.learners.contract import LearnerContract
from promptlab.support.signatures import accepted
from tests.helpers import toys
from tests.helpers.kept_texts import kept_texts
from tests.helpers.learners import LEARNERS

IN_NEW_PROCESS = "test_a_new_process_scores_the_same"
CASES = LEARNERS | {
    "averages": (toys.Averages, {"optim": Optim(epochs=4)}),
    "mean of views": (toys.MeanOfViews, {}),
    "around a closed form": (toys.Corrected, {"inner": partial(TipAdapter, search=False)}),
}
"""Of those that aren't promptlab's own, the other tests are passed where they are about that kind of learner."""


@pytest.fixture(scope="module", autouse=True)
def texts():
    """They are the same five names for all."""
    with kept_texts(backbone()):
        yield


class TrainsOnce(LearnerContract):
    """The contract of one of promptlab's own, whose trained learner every test gets a copy of."""

    def trained(self):
        frozen = [backbone(), *vars(backbone()).values()]
        return copy.deepcopy(_trained(type(self)), {id(part): part for part in frozen})

    def test_a_class_that_comes_later_is_saved_with_the_others(self):
        learner, inputs = self.trained(), self.batch().inputs
        images = inputs[:2] if learner.needs == "features" else torch.zeros(0, learner.clip.dim)
        if not learner.takes_new_classes:
            with pytest.raises(TypeError, match="can't score classes it wasn't trained on"):
                learner.with_class("yellow ring", images, inputs)
            return
        grown, _ = learner.with_class("yellow ring", images, inputs)
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            again = promptlab.load_learner(grown.save_pretrained(folder), backbone())
            assert again.class_names == (*NAMES, "yellow ring")
            torch.testing.assert_close(again(inputs), grown.eval()(inputs))


TESTS = [name for name in dir(TrainsOnce) if name.startswith("test_") and name != IN_NEW_PROCESS]


@cache
def _trained(contract):
    return LearnerContract.trained(contract())


@cache
def contract_of(case):
    learner, arguments = CASES[case]
    return type("Contract", (TrainsOnce,), {"learner": learner, "arguments": arguments})()


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("case", LEARNERS)
def test_the_contract_is_kept(case, test):
    getattr(contract_of(case), test)()


def test_all_of_them_score_the_same_in_one_new_process():
    saved = [contract_of(case).saved() for case in CASES]
    for asked, answer in zip(saved, scores_in_new_process(saved), strict=True):
        require_same(asked, answer)


@pytest.mark.parametrize("case", LEARNERS)
def test_without_a_generator_the_start_is_no_matter_of_torchs_global_stream(case):
    learner, arguments = LEARNERS[case]
    arguments = accepted(learner, {"has_images": [True, True, True, False, False]}) | arguments
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        learner(backbone(), NAMES, **arguments)
        assert torch.equal(torch.get_rng_state(), before)


def test_every_learner_is_among_them():
    offered = {getattr(promptlab.learners, name) for name in promptlab.learners.__all__}
    learners = {kind for kind in offered if inspect.isclass(kind) and issubclass(kind, PromptLearner)}
    missing = {kind for kind in learners if not inspect.isabstract(kind)} - {
        learner for learner, _ in LEARNERS.values()
    }
    assert not missing, "give these an entry in tests/helpers/learners.py"
