"""The tests of a learner's scores: logits of an image for each class, whatever else is scored."""

from __future__ import annotations

import torch
from torch import Tensor

from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.contract.case import NAMES, LearnerCase, require_close
from promptlab.learners.base.learner import PromptLearner


class ScoresImages(LearnerCase):
    """Shapes, images alone and together, the scorer beside forward."""

    def test_logits_have_a_row_per_image_and_a_column_per_class(self) -> None:
        """``forward`` gives finite logits (B, C).

        Why: evaluation, probabilities and ``select`` all read column c as class c.
        """
        learner, batch = self.make(), self.batch()
        logits = learner(batch.inputs)
        assert logits.shape == (len(batch.labels), len(NAMES)), f"logits have shape {tuple(logits.shape)}"
        assert logits.isfinite().all(), "logits are not finite"

    def test_rows_are_scored_alone_as_together(self) -> None:
        """An image's logits are the same whichever images are scored with it, and in whatever order.

        Why: evaluation scores a hundred at a time, ``predict`` maybe one. A method that needs all test images at once
        says ``transductive = True`` and scores them in ``score_together``: Results are marked by it.
        """
        if self.learner.transductive:
            return
        learner = self.trained()
        inputs = _seen_in_testing(learner, self.batch().inputs)
        scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()
        with torch.no_grad():
            together = scorer(inputs)
            alone = torch.cat([scorer(row) for row in torch.split(inputs, 1)])
            turned = scorer(inputs.flip(0)).flip(0)
        advice = (
            ": logits may depend on the image alone; a method that looks at all test images at once says "
            "transductive = True and defines score_together"
        )
        require_close(alone, together, "an image scored alone has other logits than among others", advice)
        require_close(turned, together, "the order of images changes their logits", advice)

    def test_scorer_equals_forward(self) -> None:
        """``scorer`` may compute ahead, but scores as ``forward`` does.

        Why: training uses the one, evaluation the other.
        """
        learner, batch = self.trained(), self.batch()
        with torch.no_grad():
            require_close(learner.scorer()(batch.inputs), learner(batch.inputs), "scorer() and forward() differ")


def _seen_in_testing(learner: PromptLearner, inputs: Tensor) -> Tensor:
    """(B, ...), or of a learner with K ``test_views`` (B, K, ...), the views of an image a little apart."""
    if not learner.test_views:
        return inputs
    shape = (len(inputs), learner.test_views, *inputs.shape[1:])
    return inputs.unsqueeze(1) + 0.01 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
