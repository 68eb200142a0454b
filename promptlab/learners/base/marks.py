"""The marks that no table may lose: what sets a learner's results apart from those of plain few-shot learning."""

from __future__ import annotations

from promptlab.learners.base.learner import PromptLearner

MARKS = ("transductive", "test_time", "unlabelled images", "descriptions", "selected_on_test")
"""All of them, in the order in which they are shown."""


def marks_of(learner: PromptLearner, *, selected_on_test: bool = False) -> tuple[str, ...]:
    """A learner's marks, with those of the learners inside it.

    Args:
        learner: as it was scored.
        selected_on_test: whether its fit chose an epoch, or searched, on test images.

    Returns:
        Some of :data:`MARKS`, in their order.

    Example:
        >>> import promptlab
        >>> prompts = {"ring": ["a round ring"], "star": ["a star with five points"]}
        >>> marks_of(promptlab.ZeroShot(promptlab.load_clip("demo"), ["ring", "star"], prompts=prompts))
        ('descriptions',)
    """
    parts = [part for part in learner.modules() if isinstance(part, PromptLearner)]
    found = {mark for part in parts for mark in _own(part)} | ({"selected_on_test"} if selected_on_test else set())
    return tuple(mark for mark in MARKS if mark in found)


def _own(learner: PromptLearner) -> list[str]:
    described = any(learner.arguments.get(name) is not None for name in learner.description_arguments)
    says = (
        learner.transductive,
        learner.test_time or learner.test_views > 0,
        learner.uses_unlabelled,
        described,
        learner.selected_on_test,
    )
    return [mark for mark, said in zip(MARKS, says, strict=True) if said]
