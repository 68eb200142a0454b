"""What a run works on, said before it works; in a sweep once for each dataset and process."""

from __future__ import annotations

from rich.console import Console

from promptlab.data.summary import summary
from promptlab.runs.parts import Parts

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
        Console(stderr=True).print(text, style="dim", soft_wrap=True, markup=False, highlight=False)
    _said.add(text)
