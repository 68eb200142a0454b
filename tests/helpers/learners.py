"""Learners that tests share."""

import torch
from torch import nn

from promptlab.learners import ClosedFormStage, CoCoOp, CoOp, PromptLearner, ZeroShot


class NearestMean(PromptLearner):
    """A closed form: the normalised mean feature of each class."""

    def __init__(self, clip, class_names):
        super().__init__(clip, class_names)
        self.register_buffer("means", torch.zeros(len(class_names), clip.dim))

    def forward(self, inputs):
        return self.clip.logit_scale * inputs @ self.means.T

    def fit_plan(self):
        return [ClosedFormStage("means", self._solve)]

    def _solve(self, train, val):
        for label in range(len(self.class_names)):
            self.means[label] = nn.functional.normalize(train.inputs[train.labels == label].mean((0, 1)), dim=-1)

    def select(self, class_indices):
        chosen = self._relabelled([self.class_names[i] for i in class_indices])
        chosen.means = self.means[list(class_indices)]
        return chosen


LEARNERS = [
    (ZeroShot, {}),
    (ZeroShot, {"templates": "select"}),
    (CoOp, {"n_ctx": 4}),
    (CoOp, {"ctx_init": "a photo of a", "csc": True, "class_token_position": "middle"}),
    (CoCoOp, {}),
]
"""Learners of promptlab with arguments."""
