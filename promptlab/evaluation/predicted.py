"""What a prediction is: class probabilities that know their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

_ROWS_SHOWN = 20


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
    """(N, C) that the probabilities are the softmax of."""

    @classmethod
    def of(cls, logits: Tensor, class_names: Sequence[str], pictures: Sequence[str]) -> Self:
        """The probabilities of logits (N, C), of C class names and N pictures' names."""
        predicted = torch.Tensor._make_subclass(cls, logits.softmax(-1))
        predicted.class_names, predicted.pictures, predicted.logits = tuple(class_names), tuple(pictures), logits
        return predicted

    @property
    def probabilities(self) -> Tensor:
        """(N, C), as a plain tensor."""
        return self.as_subclass(Tensor)

    @property
    def names(self) -> tuple[str, ...]:  # in place of torch's names of dimensions, which are never set
        """The most probable class of each picture."""
        return tuple(self.class_names[label] for label in self.argmax(1).tolist())

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each picture with their probabilities, the most probable first.

        Args:
            k: how many; all C if there are fewer.
        """
        values, labels = self.probabilities.topk(min(k, self.shape[1]), dim=1)
        rows = zip(values.tolist(), labels.tolist(), strict=True)
        return [[(self.class_names[i], value) for value, i in zip(*row, strict=True)] for row in rows]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each picture, as ``pandas.DataFrame`` takes them: ``picture``, ``name``, ``probability``."""
        best = self.top(1)
        return [
            {"picture": picture, "name": name, "probability": value}
            for picture, ((name, value),) in zip(self.pictures, best, strict=True)
        ]

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self.of(self.logits.clone(), self.class_names, self.pictures)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.probabilities.__reduce_ex__(protocol)  # type: ignore[no-untyped-call]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        rows = [(row["picture"], row["name"], f"{row['probability']:.4f}") for row in self.rows()[:_ROWS_SHOWN]]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        more = [f"and {len(self) - _ROWS_SHOWN:,} more pictures"] if len(self) > _ROWS_SHOWN else []
        return "\n".join([*lines, *more]) or f"no pictures, {len(self.class_names)} classes"
