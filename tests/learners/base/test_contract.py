"""A learner that isn't promptlab's passes the contract, and the contract catches what it says it catches."""

import pytest
import torch
from torch import nn

from promptlab.learners import Batch, CoOp, GradientStage
from promptlab.learners.base.contract import LearnerContract, require_same
from promptlab.learners.base.new_process import scores_in_new_process
from promptlab.learners.base.optim import Optim
from tests.helpers.faulty import FAULTS
from tests.helpers.learners import NearestMean

IN_NEW_PROCESS = "test_a_new_process_scores_the_same"
TESTS = [name for name in dir(LearnerContract) if name.startswith("test_") and name != IN_NEW_PROCESS]


class TestNearestMean(LearnerContract):
    learner = NearestMean
    test_a_new_process_scores_the_same = None  # together with others, below: a process takes seconds


class Broken(CoOp):
    """Breaks what a test names."""

    def __init__(self, clip, class_names, *, fault, generator=None):
        super().__init__(clip, class_names, n_ctx=2, generator=generator)
        self.fault = fault
        if fault == "idle parameter":
            self.idle = nn.Parameter(torch.zeros(3))
        if fault == "registered backbone":
            self.model = clip.model
        if fault == "global random state":
            self.ctx.data += torch.randn_like(self.ctx)

    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits.T if self.fault == "shape" else logits

    def fit_plan(self):
        parameters = [self.ctx, self.idle] if self.fault == "idle parameter" else [self.ctx]
        return [GradientStage("context", parameters, self.loss, Optim())]

    def select(self, class_indices):
        return super().select(sorted(class_indices) if self.fault == "select" else class_indices)

    def rebind(self, class_names, template=""):
        return super().rebind(class_names[::-1] if self.fault == "rebind" else class_names)

    def scorer(self):
        return (lambda inputs: self(inputs) + 1) if self.fault == "scorer" else super().scorer()

    def load_learned(self, tensors):
        return self if self.fault == "loading" else super().load_learned(tensors)


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("shape", "test_logits_have_a_row_per_image_and_a_column_per_class"),
        ("idle parameter", "test_only_what_the_plan_names_trains"),
        ("registered backbone", "test_backbone_is_untouched"),
        ("global random state", "test_same_seed_same_learner"),
        ("select", "test_select_scores_some_classes"),
        ("rebind", "test_rebind_or_its_refusal"),
        ("scorer", "test_scorer_equals_forward"),
        ("loading", "test_save_and_load"),
    ],
)
def test_the_contract_catches(fault, test):
    class Check(LearnerContract):
        learner = Broken
        arguments = {"fault": fault}  # noqa: RUF012

    with pytest.raises(AssertionError):
        getattr(Check(), test)()


SAYS = {
    "test_a_fit_cut_in_two_gives_the_same_bits": r"^(weight|ctx).*: other bits after an interruption.*register_buffer",
    "test_rows_are_scored_alone_as_together": "an image scored alone has other logits.*transductive = True",
    "test_select_scores_some_classes": r"^select",
    IN_NEW_PROCESS: "scores otherwise in a new process, by up to .*variables of a module or the order of a set",
}


def contract_of(kind):
    return type("Check", (LearnerContract,), {"learner": kind})()


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_fault_breaks_the_test_that_is_for_it_and_no_other(kind):
    for test in TESTS:
        if test != FAULTS[kind]:
            getattr(contract_of(kind), test)()
            continue
        with pytest.raises(AssertionError, match=SAYS[test]):
            getattr(contract_of(kind), test)()


def test_what_holds_in_this_process_alone_is_caught():
    faulty = [kind for kind, test in FAULTS.items() if test == IN_NEW_PROCESS]
    saved = [contract_of(kind).saved() for kind in [*faulty, NearestMean]]
    saved.append(saved[-1]._replace(kind=NeedsMore))
    *answers, right, unmade = scores_in_new_process(saved)
    for asked, answer in zip(saved[: len(faulty)], answers, strict=True):
        with pytest.raises(AssertionError, match=SAYS[IN_NEW_PROCESS]):
            require_same(asked, answer)
    require_same(saved[-2], right)
    with pytest.raises(AssertionError, match=r"a new process can't load it: TypeError: .*'more'"):
        require_same(saved[-1], unmade)


class NeedsMore(CoOp):
    def __init__(self, clip, class_names, *, more):
        super().__init__(clip, class_names, n_ctx=2)


def test_what_no_other_process_finds_is_said():
    class Local(CoOp):
        pass

    with pytest.raises(ValueError, match=r"can't be found from a new process .* belong into a module"):
        contract_of(Local).test_a_new_process_scores_the_same()


def test_batches_are_what_the_learner_needs():
    class NeedsImages(CoOp):
        needs = "images"

    class Check(LearnerContract):
        learner = NeedsImages

    assert isinstance(Check().batch(), Batch)
    assert Check().batch().inputs.shape == (6, 3, 32, 32)


class ForgetsItsBalance(CoOp):
    """Says that its loss is balanced, and isn't."""

    balances = True

    def loss(self, batch):
        return nn.functional.cross_entropy(self(batch.inputs), batch.labels)


def test_a_balance_that_does_nothing_is_caught():
    check = type("Contract", (LearnerContract,), {"learner": ForgetsItsBalance, "arguments": {"n_ctx": 2}})()
    with pytest.raises(AssertionError, match=r"the loss balances, but not by self\.balance\.cross_entropy"):
        check.test_loss_is_a_finite_number()
