"""The tests of a learner's classes: some of them, others by name, both together."""

from __future__ import annotations

import torch

from promptlab.learners.base.contract.case import NAMES, OTHER_NAMES, TEMPLATE, LearnerCase, require_close


class FollowsItsClasses(LearnerCase):
    """Select, rebind and extend."""

    def test_select_scores_some_classes(self) -> None:
        """``select`` gives the columns of the chosen classes, in their order.

        Why: protocols score base and new classes by it. ``per_class`` names every tensor with an entry per class.
        """
        learner, batch = self.trained(), self.batch()
        chosen = learner.select([3, 0])
        assert chosen.class_names == (NAMES[3], NAMES[0]), f"select([3, 0]) has classes {chosen.class_names}"
        with torch.no_grad():
            logits = learner(batch.inputs)
            for columns in ([3, 0], [2], [4, 3, 2, 1, 0]):
                part = learner.select(columns)
                message = f"select({columns}) gives other logits than these columns of all classes' logits"
                require_close(part(batch.inputs), logits[:, columns], message)
                require_close(part.scorer()(batch.inputs), logits[:, columns], f"the scorer of {message}")
            again = learner.select([4, 3, 0]).select([1])(batch.inputs)
            require_close(again, logits[:, [3]], "select([4, 3, 0]).select([1]) gives other logits than column 3")
            require_close(learner(batch.inputs), logits, "select changes the learner that it is called on")

    def test_rebind_or_its_refusal(self) -> None:
        """``rebind`` scores other names if the learner is ``open_vocabulary``, and raises TypeError otherwise.

        Why: a learner that scores names it knows nothing about would show numbers that mean nothing.
        """
        learner, batch = self.trained(), self.batch()
        if learner.open_vocabulary:
            with torch.no_grad():
                logits = learner.rebind(OTHER_NAMES, TEMPLATE)(batch.inputs)
                again = learner.rebind(NAMES, TEMPLATE)(batch.inputs)
                require_close(again, learner(batch.inputs), "rebind to the own names changes the scores")
                own = [1, *[None] * len(OTHER_NAMES)]
                joint = learner.extend((NAMES[1], *OTHER_NAMES), TEMPLATE, own)(batch.inputs)
            assert logits.shape == (len(batch.labels), len(OTHER_NAMES))
            assert joint.shape == (len(batch.labels), 1 + len(OTHER_NAMES))
            return
        try:
            learner.rebind(OTHER_NAMES, TEMPLATE)
        except TypeError:
            return
        raise AssertionError("open_vocabulary is False, but rebind doesn't raise TypeError")
