"""What a column is: a name, what it shows of a row, and how that reads. The lists of them are in ``columns``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from promptlab.report.averages import SweepRow
from promptlab.report.statistics import MeanInterval

MISSING = "–"
Row = TypeVar("Row")
Rows = Sequence[SweepRow]


@dataclass(frozen=True, kw_only=True)
class Column(Generic[Row]):
    """One column of a table whose rows are of one type.

    Args:
        name: its heading.
        of: a row to what the column shows of it; None where that is missing.
        text: how what it shows reads.
        has: whether the column speaks of a row; where it doesn't, its cell stays empty, and a column that speaks of no
            row isn't shown.

    Example:
        >>> seeds = Column(name="seeds", of=len, text=lambda number: f"{number} seeds", has=bool)
        >>> seeds.cell([1, 2]), seeds.cell([])
        ('2 seeds', '')
    """

    name: str
    of: Callable[[Row], Any]
    text: Callable[[Any], str] = str
    has: Callable[[Row], bool] = lambda row: True

    def cell(self, row: Row, missing: str = MISSING) -> str:
        """What stands in a row; ``missing`` where the column speaks of the row but has nothing to show."""
        return self.shown(row, missing) if self.has(row) else ""

    def shown(self, row: Row, missing: str = MISSING) -> str:
        """As :meth:`cell`, of a row that the column is said to speak of."""
        value = self.of(row)
        return missing if value is None else self.text(value)


def shown(columns: Iterable[Column[Row]], rows: Sequence[Row]) -> list[Column[Row]]:
    """The columns that speak of at least one row."""
    return [column for column in columns if any(map(column.has, rows))]


def letter(position: int) -> str:
    """What tells look-alikes apart: the letters from a to z, then numbers from 27.

    Example:
        >>> letter(0), letter(25), letter(26)
        ('a', 'z', '27')
    """
    return chr(ord("a") + position) if position < 26 else str(position + 1)


def percent(score: float | None) -> str:
    """A fraction in percent, and a dash for none.

    Example:
        >>> percent(0.5), percent(None)
        ('50.00', '–')
    """
    return MISSING if score is None else f"{100 * score:.2f}"


def score_text(score: MeanInterval | float) -> str:
    """A score in percent; between a mean and its interval one space, where a narrow table may break the line.

    Example:
        >>> score_text(0.5), score_text(MeanInterval(0.5, 0.01, 3))
        ('50.00', '50.00 ±1.00')
    """
    if not isinstance(score, MeanInterval):
        return percent(score)
    return percent(score.mean) + ("" if score.half_width is None else f" ±{percent(score.half_width)}")


def number_text(number: MeanInterval | float) -> str:
    """A number that is no fraction, as :func:`score_text` shows one.

    Example:
        >>> number_text(0.5), number_text(MeanInterval(0.5, 0.01, 3))
        ('0.5000', '0.5000 ±0.0100')
    """
    if not isinstance(number, MeanInterval):
        return f"{number:.4f}"
    return f"{number.mean:.4f}" + ("" if number.half_width is None else f" ±{number.half_width:.4f}")


@dataclass(frozen=True, kw_only=True)
class ScoreColumn(Column[SweepRow]):
    """A column of scores over seeds: fractions in [0, 1], shown in percent.

    Args:
        name: its heading.
        of: a row to a mean with its interval, or to a number.
        text: how a score reads.
        has: as of every column.
        zero_shot: a row to zero-shot CLIP's score; None for a column without one.
        note: the rows of a table to what stands under it where the column is shown; None where names suffice.
        in_run: as ``has``, for the table of a single run; None where both are the same.
        ranks: whether the largest is the best, and is shown to be.
    """

    text: Callable[[Any], str] = score_text
    zero_shot: Callable[[SweepRow], float | None] | None = None
    note: Callable[[Rows], str] | None = None
    in_run: Callable[[SweepRow], bool] | None = None
    ranks: bool = True

    def has_in_run(self, row: SweepRow) -> bool:
        """Whether the table of a single run shows the column."""
        return self.has(row) if self.in_run is None else self.in_run(row)

    def number(self, row: SweepRow) -> float | None:
        """The score, or the mean of one with an interval; None where there is none."""
        score = self.of(row)
        return score.mean if isinstance(score, MeanInterval) else score
