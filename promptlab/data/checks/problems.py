"""What is wrong with a dataset, gathered and said at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptlab.data.items import Dataset
from promptlab.support.errors import DatasetError
from promptlab.support.words import printable, some_of

log = logging.getLogger(__name__)

NAMES_IN_A_PROBLEM = 100
PROBLEMS_LISTED = 100
_NAMES_IN_A_NOTE = 5


@dataclass(frozen=True)
class Finding:
    """Something that is true of some images.

    Args:
        what: follows their number.
        names: theirs.
    """

    what: str
    names: tuple[str, ...]

    def line(self, most: int = NAMES_IN_A_PROBLEM) -> str:
        """The number, what it is, and the first names.

        Example:
            >>> Finding("images are of one colour", ("a.png", "b.png")).line(most=1)
            '2 images are of one colour: a.png and 1 more'
        """
        return f"{len(self.names)} {self.what}: {some_of(self.names, most)}"


def counted(what: str, names: Sequence[str]) -> list[str]:
    """One problem, with the number of names and the names; none without names."""
    return [Finding(what, tuple(names)).line()] if names else []


def noted(dataset: Dataset, findings: Sequence[Finding]) -> Dataset:
    """The dataset with findings among its notes, so that every Result has them; they are logged as warnings too."""
    lines = [printable(finding.line(_NAMES_IN_A_NOTE)) for finding in findings]
    for line in lines:
        log.warning("dataset %s: %s", dataset.name, line)
    return replace(dataset, notes=(*dataset.notes, *lines))


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
