"""A saved learner for classes that its user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptlab.learners.base.learner import PromptLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE
from promptlab.support.errors import UsageError
from promptlab.support.words import some_of, suggest


def for_classes(learner: PromptLearner, names: Sequence[str]) -> PromptLearner:
    """The learner for these classes alone, in this order.

    Known classes keep what was learned of them; others are taken by name, with the learner's own hand-written prompt.

    Args:
        learner: any.
        names: of its classes, or, where it is ``open_vocabulary``, of any.

    Raises:
        UsageError: for a class that it doesn't know and can't take by name, one that is there twice, or what is no
            name.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["red star", "blue circle"])
        >>> for_classes(learner, ["green moon", "red star"]).class_names
        ('green moon', 'red star')
    """
    unknown = [name for name in names if name not in learner.class_names]
    if unknown and not learner.open_vocabulary:
        raise UsageError(
            f"{unknown[0]!r} is no class of this learner{suggest(unknown[0], learner.class_names)}; what a "
            f"{type(learner).__name__} learned is of its own classes alone: {some_of(learner.class_names, 20)}"
        )
    try:
        found = learner.extend(names, template_of(learner)) if unknown else learner.select(list(names))
    except ValueError as error:  # of names: empty, there twice, too long for a prompt
        raise UsageError(str(error)) from error
    others = tuple(name for name in learner.decision.others if name in names)
    found.decision = replace(learner.decision, others=others)
    return found


def template_of(learner: PromptLearner) -> str:
    """The hand-written prompt that a learner puts names into; the usual one where it has none of its own.

    Example:
        >>> import promptlab
        >>> template_of(promptlab.ZeroShot(promptlab.load_clip("demo"), ["star"], template="a drawing of a {}."))
        'a drawing of a {}.'
    """
    template = learner.arguments.get("template")
    return template if isinstance(template, str) else DEFAULT_TEMPLATE
