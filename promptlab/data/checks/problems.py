"""What is wrong with a dataset, gathered and said at once."""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.support.errors import DatasetError

SHOWN = 100


def counted(what: str, names: Sequence[str]) -> list[str]:
    """One problem, with the number of names and the names; none without names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"] if names else []


def shortened(problems: Sequence[str]) -> list[str]:
    """The first problems, and how many more there are."""
    more = [f"and {len(problems) - SHOWN} more like these"] if len(problems) > SHOWN else []
    return [*problems[:SHOWN], *more]


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
