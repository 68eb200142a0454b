"""What epochs are compared by, where the best one is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Comparison:
    """A number that an epoch ends with.

    Args:
        field: what :class:`promptlab.results.schema.EpochRecord` calls it.
        of: the number of the learner as it is.

    Example:
        >>> Comparison("val_loss", lambda: 0.5).score(0.5)
        -0.5
    """

    field: Literal["val_accuracy", "val_loss", "test_accuracy"]
    of: Callable[[], float]

    def score(self, number: float) -> float:
        """The number as a score, larger is better."""
        return -number if self.field == "val_loss" else number
