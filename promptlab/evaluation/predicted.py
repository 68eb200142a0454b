"""What a prediction is: class probabilities that know their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from promptlab.learners.base.decision import ALWAYS, Decision
from promptlab.support.words import counted

_ROWS_SHOWN = 20
NONE = "none of these"
"""What is shown where no class is the answer."""


class Predicted(Tensor):
    """Class probabilities (N, C) of N pictures, rows that sum to 1, as a tensor that also knows names.

    Whatever torch makes of it (rows, ``argmax``, sums) is a plain tensor, and so is what a file keeps of it.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> predicted = Predicted.of(logits, ("cat", "dog"), ("a.jpg", "b.jpg"))
        >>> predicted.names, predicted.argmax(1).tolist()
        (('cat', 'dog'), [0, 1])
        >>> predicted
        a.jpg  cat  0.8808
        b.jpg  dog  0.7311
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as nn.Parameter has it

    class_names: tuple[str, ...]
    """Names of the C columns."""
    pictures: tuple[str, ...]
    """What the N rows are of: paths, or places in the list."""
    logits: Tensor
    """(N, C) as the learner scores; divided by the decision's temperature, their softmax is the probabilities."""
    decision: Decision
    """How answers are made of them."""

    @classmethod
    def of(
        cls, logits: Tensor, class_names: Sequence[str], pictures: Sequence[str], decision: Decision = ALWAYS
    ) -> Self:
        """The probabilities of logits (N, C), of C class names and N pictures' names, by a decision."""
        predicted = torch.Tensor._make_subclass(cls, decision.probabilities(logits))
        predicted.class_names, predicted.pictures, predicted.logits = tuple(class_names), tuple(pictures), logits
        predicted.decision = decision
        return predicted

    @property
    def probabilities(self) -> Tensor:
        """(N, C), as a plain tensor."""
        return self.as_subclass(Tensor)

    @property
    def names(self) -> tuple[str | None, ...]:  # in place of torch's names of dimensions, which are never set
        """The answer for each picture: its most probable class, or None where the decision is "none of these"."""
        return self.decision.answers(self.logits, self.class_names)

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each picture with their probabilities, the most probable first.

        Args:
            k: how many; all C if there are fewer.

        Raises:
            ValueError: if it isn't at least 1.
        """
        if k < 1:
            raise ValueError(f"k={k}: at least 1 is needed")
        values, labels = self.probabilities.topk(min(k, self.shape[1]), dim=1)
        rows = zip(values.tolist(), labels.tolist(), strict=True)
        return [[(self.class_names[i], value) for value, i in zip(*row, strict=True)] for row in rows]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each picture, as ``pandas.DataFrame`` takes them: ``picture``, ``name``, ``probability``.

        The probability is the most probable class's, also where the name is None.
        """
        best = self.probabilities.amax(1).tolist()
        return [
            {"picture": picture, "name": name, "probability": value}
            for picture, name, value in zip(self.pictures, self.names, best, strict=True)
        ]

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self.of(self.logits.clone(), self.class_names, self.pictures, self.decision)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.probabilities.__reduce_ex__(protocol)  # type: ignore[no-untyped-call]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        shown = self.rows()[:_ROWS_SHOWN]
        rows = [(row["picture"], row["name"] or NONE, f"{row['probability']:.4f}") for row in shown]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        more = [f"and {counted(len(self) - _ROWS_SHOWN, 'more picture')}"] if len(self) > _ROWS_SHOWN else []
        return "\n".join([*lines, *more]) or f"no pictures, {counted(len(self.class_names), 'class')}"
