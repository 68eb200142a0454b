"""What a run works on and where, said before it works; in a sweep once for each dataset and process."""

from __future__ import annotations

from promptlab.data.summary import summary
from promptlab.runs.parts import Parts
from promptlab.support.console import say
from promptlab.support.devices import device_text

_said: set[str] = set()


def show(parts: Parts, *, job: int | None = None) -> None:
    """Print the backbone of a run with its device, and its datasets, to standard error.

    Args:
        parts: of the run.
        job: the run's number in a sweep, from 0; None for a run alone.
    """
    clip = parts.clip
    where = f"backbone {clip.name} on {device_text(clip.device)}, {clip.precision}"
    text = "\n".join([where, *summary(parts.dataset, parts.targets, notes=False)])
    if not job:
        _said.clear()
    if text not in _said:
        say(text, stderr=True)
    _said.add(text)
