"""The tests of a saved learner: its tensors bring it back, here and in a new process."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from promptlab.learners.base.contract.case import LearnerCase, require_close
from promptlab.learners.base.new_process import Saved, scores_in_new_process
from promptlab.learners.base.short_fit import short_fit


class ComesBack(LearnerCase):
    """Save and load, in one process and in two."""

    def test_save_and_load(self) -> None:
        """A fresh learner with the learned tensors scores as the old one; wrong tensors are refused.

        Why: finished runs are found again by their tensors; what isn't a parameter or a buffer is lost.
        """
        learner, batch = self.make(seed=1), self.batch()
        short_fit(learner, batch)
        other = self.make(seed=2).load_learned(copy.deepcopy(dict(learner.learned_tensors())))
        with torch.no_grad():
            require_close(other.eval()(batch.inputs), learner.eval()(batch.inputs), "a loaded learner scores otherwise")
        try:
            other.load_learned({**learner.learned_tensors(), "surplus": torch.zeros(1)})
        except ValueError:
            return
        raise AssertionError("load_learned takes tensors that the learner doesn't have")

    def test_a_new_process_scores_the_same(self) -> None:
        """What is learned, loaded in a new process, scores as it does here.

        Why: a saved learner is its arguments, its class names and its tensors. What else it holds (a variable of its
        module, the order of a set, a file) is another one elsewhere.
        """
        saved = self.saved()
        (found,) = scores_in_new_process([saved])
        require_same(saved, found)


def require_same(saved: Saved, found: Tensor | str) -> None:
    """Make sure that a new process scored as this one did.

    Args:
        saved: what it was asked.
        found: its answer, an item of :func:`scores_in_new_process`.
    """
    assert isinstance(found, Tensor), f"a new process can't load it: {found}"
    advice = (
        ": what it holds besides its tensors must follow from its arguments and class names alone, not from variables "
        "of a module or the order of a set"
    )
    require_close(found, saved.logits, "what is learned scores otherwise in a new process", advice)
