"""Whether numbers that were written down before still hold: row by row, by the id of each evaluation.

Where the facts behind ids have been extended since, a row is found by what it is called, if only one is called so.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptlab.report.spreadsheet import record_csv
from promptlab.results.document import Result
from promptlab.support.errors import UsageError

SCORES = ("top1", "mean_class_accuracy", "zero_shot_top1")
"""Columns that have to hold. The others say which run it was, and what it took."""
_LABELS = ("dataset", "protocol", "learner", "shots", "views", "seed", "evaluation")
_ROUNDED = 0.00005
"""Half of the last digit that is written down."""
Rows = Mapping[str, Mapping[str, str]]
"""Id of an evaluation to its row."""


@dataclass(frozen=True)
class Difference:
    """A number that isn't what it was.

    Args:
        row: which run and evaluation it is of, in words.
        score: its column.
        was: as it was written down, a fraction; None where there was none.
        now: as it is.
    """

    row: str
    score: str
    was: float | None
    now: float | None

    @property
    def points(self) -> float:
        """By how much they differ, in percentage points; infinite where one of them is missing."""
        return float("inf") if self.was is None or self.now is None else 100 * abs(self.now - self.was)


@dataclass(frozen=True)
class Verdict:
    """What a comparison of numbers came to.

    Args:
        evaluations: how many were compared.
        numbers: how many numbers of them.
        differences: those beyond the tolerance, the largest first.
        changed: how many numbers differ at all.
        largest: of the differences within and beyond the tolerance, in percentage points.
        renamed: how many of the evaluations have another id than was written down.
        missing: evaluations that were written down and have no result now, in words.
    """

    evaluations: int
    numbers: int
    differences: list[Difference]
    changed: int
    largest: float
    renamed: int
    missing: list[str]

    @property
    def holds(self) -> bool:
        """Whether every number is there, within the tolerance."""
        return not self.differences and not self.missing


def read_rows(path: Path) -> Rows:
    """Rows of a CSV that :func:`promptlab.report.spreadsheet.record_csv` wrote.

    Args:
        path: of the file.

    Raises:
        UsageError: if it is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    rows = list(csv.DictReader(io.StringIO(text)))
    lacks = [column for column in ("eval_id", *SCORES) if not rows or column not in rows[0]]
    if lacks:
        raise UsageError(f"{path} has no column {lacks[0]}: it is no table of `promptlab report --format runs`")
    return {row["eval_id"]: row for row in rows}


def compare(committed: Rows, results: Iterable[Result], *, tolerance: float = 0.0) -> Verdict:
    """Compare what was written down with what is there now; results that weren't written down don't matter.

    Args:
        committed: as :func:`read_rows` gives them.
        results: of the repeated runs.
        tolerance: by how much a fraction may differ, beyond the rounding of what was written.
    """
    now = list(csv.DictReader(io.StringIO(record_csv(results))))
    by_id, by_name = {row["eval_id"]: row for row in now}, _of_one_name(now)
    names = _of_one_name(committed.values())
    pairs = [(row, by_id.get(key) or (by_name.get(_named(row)) if _named(row) in names else None))
             for key, row in committed.items()]  # fmt: skip
    both = [(was, found) for was, found in pairs if found is not None]
    every = [difference for was, found in both for difference in _differences(was, found)]
    changed = [difference for difference in every if difference.points > 100 * _ROUNDED]
    beyond = [difference for difference in changed if difference.points > 100 * (tolerance + _ROUNDED)]
    return Verdict(
        evaluations=len(both),
        numbers=len(every),
        differences=sorted(beyond, key=lambda difference: -difference.points),
        changed=len(changed),
        largest=max((difference.points for difference in changed), default=0.0),
        renamed=sum(was["eval_id"] != found["eval_id"] for was, found in both),
        missing=[_named(was) for was, found in pairs if found is None],
    )


def _of_one_name(rows: Iterable[Mapping[str, str]]) -> Rows:
    """Rows by what they are called, without those that share it: other settings tell them apart."""
    every = list(rows)
    counts = Counter(map(_named, every))
    return {_named(row): row for row in every if counts[_named(row)] == 1}


def _differences(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    """Each number of a row, unless there was none and is none."""
    for score in SCORES:
        if was[score] or now[score]:
            yield Difference(_named(was), score, _number(was[score]), _number(now[score]))


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _named(row: Mapping[str, str]) -> str:
    return " ".join(f"{key}={row[key]}" for key in _LABELS)
