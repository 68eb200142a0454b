"""A learner that isn't promptlab's passes the contract, and the contract catches what it says it catches."""

import pytest
import torch
from torch import nn

from promptlab.learners import Batch, CoOp, GradientStage
from promptlab.learners.base.contract import LearnerContract
from promptlab.learners.base.optim import Optim
from tests.helpers.learners import NearestMean


class TestNearestMean(LearnerContract):
    learner = NearestMean


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


def test_batches_are_what_the_learner_needs():
    class NeedsImages(CoOp):
        needs = "images"

    class Check(LearnerContract):
        learner = NeedsImages

    assert isinstance(Check().batch(), Batch)
    assert Check().batch().inputs.shape == (6, 3, 32, 32)
