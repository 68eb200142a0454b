"""How a learner's logits become an answer, chosen on pictures that were neither trained on nor are tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from promptlab.support.ranges import refuse_misfits


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A temperature that makes probabilities honest, and when the answer is "none of these".

    Args:
        temperature: what logits are divided by before the softmax.
        threshold: the least probability of an answer, after the temperature; None answers always.
        others: classes of the learner that stand for "none of these": negative pictures, or names alone.
        chosen_on: what temperature and threshold were chosen on, in words.

    Raises:
        UsageError: naming a value out of range.

    Example:
        >>> decision = Decision(temperature=2.0, threshold=0.7)
        >>> logits = torch.tensor([[4.0, 0.0], [1.0, 0.0]])
        >>> decision.probabilities(logits).amax(1)
        tensor([0.8808, 0.6225])
        >>> decision.answers(logits, ("cat", "dog"))
        ('cat', None)
        >>> decision.declines, Decision(temperature=2.0).declines
        (True, False)
    """

    temperature: Annotated[float, Gt(0)] = 1.0
    threshold: Annotated[float, Interval(ge=0, le=1)] | None = None
    others: tuple[str, ...] = ()
    chosen_on: str = ""

    def __post_init__(self) -> None:
        refuse_misfits(Decision, vars(self))

    @property
    def declines(self) -> bool:
        """Whether an answer may be "none of these"."""
        return self.threshold is not None or bool(self.others)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Rows (N, C) that sum to 1, of logits (N, C)."""
        return (logits / self.temperature).softmax(-1)

    def answers(self, logits: Tensor, class_names: tuple[str, ...]) -> tuple[str | None, ...]:
        """The most probable class of each of N pictures, None for none of these.

        Args:
            logits: (N, C).
            class_names: of the C classes.
        """
        best, labels = self.probabilities(logits).max(-1)
        unsure = torch.zeros_like(best, dtype=torch.bool) if self.threshold is None else best < self.threshold
        names = [class_names[label] for label in labels.tolist()]
        none = [doubt or name in self.others for doubt, name in zip(unsure.tolist(), names, strict=True)]
        return tuple(None if refused else name for refused, name in zip(none, names, strict=True))


ALWAYS = Decision()
"""The most probable class, always."""
