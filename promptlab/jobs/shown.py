"""What a run works on, said before it works; in a sweep once for each dataset and process."""

from __future__ import annotations

from promptlab.data.summary import summary
from promptlab.runs.parts import Parts
from promptlab.support.console import say

_said: set[str] = set()


def show(parts: Parts, *, job: int | None = None) -> None:
    """Print the datasets of a run to standard error.

    Args:
        parts: of the run.
        job: the run's number in a sweep, from 0; None for a run alone.
    """
    text = "\n".join(summary(parts.dataset, parts.targets, notes=False))
    if not job:
        _said.clear()
    if text not in _said:
        say(text, stderr=True)
    _said.add(text)
