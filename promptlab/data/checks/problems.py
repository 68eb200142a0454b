"""What is wrong with a dataset, gathered and said at once."""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of

NAMES_IN_A_PROBLEM = 100
PROBLEMS_LISTED = 100


def counted(what: str, names: Sequence[str]) -> list[str]:
    """One problem, with the number of names and the names; none without names."""
    return [f"{len(names)} {what}: {some_of(names, NAMES_IN_A_PROBLEM)}"] if names else []


def refuse(where: str, problems: Sequence[str]) -> None:
    """Raise if there are problems.

    Raises:
        DatasetError: with all of them.
    """
    if len(problems) == 1:
        raise DatasetError(f"{where}: {problems[0]}")
    if problems:
        listed = "\n  ".join(problems)
        raise DatasetError(f"{where}: {len(problems)} problems\n  {listed}")
