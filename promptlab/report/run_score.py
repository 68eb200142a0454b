"""A number that some Results have besides their evaluation sets: averaged over seeds, a column where it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptlab.report.statistics import MeanInterval, mean, mean_interval
from promptlab.results.document import Result


@dataclass(frozen=True, kw_only=True)
class RunScore:
    """Such a number.

    Args:
        name: the column's heading.
        note: what stands under a table with the column.
        of: a Result to the number, None where it has none.
        zero_shot: the same of zero-shot CLIP; None if it has none anywhere.
        fraction: whether it lies in [0, 1] and is shown in percent.
        ranks: whether the largest is the best.
        in_run: whether the table of a single run has the column; its notes say the number otherwise.
    """

    name: str
    note: str
    of: Callable[[Result], float | None]
    zero_shot: Callable[[Result], float | None] | None = None
    fraction: bool = True
    ranks: bool = True
    in_run: bool = True

    def average(self, runs: Sequence[Result]) -> MeanInterval | None:
        """The mean over seeds, None unless every run has the number."""
        values = [value for run in runs if (value := self.of(run)) is not None]
        return mean_interval(values) if values and len(values) == len(runs) else None

    def zero_shot_average(self, runs: Sequence[Result]) -> float | None:
        """The same of zero-shot CLIP."""
        if self.zero_shot is None:
            return None
        values = [value for run in runs if (value := self.zero_shot(run)) is not None]
        return mean(values) if values and len(values) == len(runs) else None
