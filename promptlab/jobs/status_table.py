"""A sweep's status for people: counts, a table over its grid, and what needs a look; and for programs, as JSON."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlab.jobs.status import STATES, RunStatus, State, SweepStatus
from promptlab.support.progress import in_words
from promptlab.support.words import counted, shortened

ROWS, LINES = 30, 10
"""Most rows of the table, and most runs that are listed in each state."""
_STYLES: dict[State, str] = {"done": "green", "running": "cyan", "failed": "red", "interrupted": "yellow",
                             "missing": "dim"}  # fmt: skip


def status_view(status: SweepStatus) -> Group:
    """What ``promptlab status`` shows of a sweep: lines that aren't broken, and its table."""
    parts: list[RenderableType] = [_text(_title(status)), _text(_progress(status)), _table(status)]
    for state in ("running", "failed", "interrupted"):
        parts += [
            _text(line, _STYLES[state]) for line in shortened([_line(status, r) for r in status.of(state)], LINES)
        ]
    return Group(*parts, *map(_text, [*_found(status), *_advice(status)]))


def described(status: SweepStatus) -> dict[str, Any]:
    """The same as plain values."""
    grid = status.grid
    return {
        "sweep": str(status.folder),
        "command": ["promptlab", *grid.command],
        "created": grid.created,
        "counts": status.counts,
        "seconds_left": status.seconds_left,
        "processes": status.parents,
        "runs": [_plain(run) for run in status.runs],
    }


def _plain(run: RunStatus) -> dict[str, Any]:
    sign = None if run.sign is None else {key: asdict(run.sign)[key] for key in ("host", "process", "since")}
    folder = None if run.folder is None else str(run.folder)
    return {"number": run.number, "overrides": list(run.shown), "state": run.state, "folder": folder,
            "found": run.found, "error": run.error, "by": sign}  # fmt: skip


def _title(status: SweepStatus) -> str:
    grid = status.grid
    return f"{status.folder}, begun {grid.created} by process {grid.started_by.process} of {grid.started_by.host}"


def _progress(status: SweepStatus) -> str:
    """How many of the runs are in each state, and how long the rest takes."""
    counts = ", ".join(f"{count} {state}" for state, count in status.counts.items() if count)
    said = f"{counts or 'none begun'} of {counted(len(status.runs), 'run')}"
    if status.is_over:
        return said
    if status.seconds_left is None:
        return f"{said}; nothing like the rest has finished yet, so how long it takes can't be told"
    at_once = len(status.of("running"))
    return f"{said}; about {in_words(status.seconds_left)} left" + (f" with {at_once} at once" if at_once > 1 else "")


def _found(status: SweepStatus) -> list[str]:
    """What counts as done and may yet turn out to be of other images."""
    if not status.found:
        return []
    return [f"{len(status.found)} done by Results of the same settings, which the sweep hasn't looked at yet"]


def _table(status: SweepStatus) -> Table:
    """Runs by state for each value of the keys that vary, of as many keys as make no more rows than are read."""
    keys = list(status.grid.varies)
    rows = _rows(status.runs, keys)
    while len(rows) > ROWS and len(keys) > 1:
        keys.pop()
        rows = _rows(status.runs, keys)
    shown = [state for state in STATES if status.counts[state]]
    table = Table(*keys, box=None, pad_edge=False, header_style="bold")
    for state in shown:
        table.add_column(state, justify="right", style=_STYLES[state])
    for values, counts in rows.items():
        table.add_row(*map(Text, values), *(str(counts[state] or "") for state in shown))
    return table


def _rows(runs: Sequence[RunStatus], keys: Sequence[str]) -> dict[tuple[str, ...], Counter[State]]:
    rows: dict[tuple[str, ...], Counter[State]] = {}
    for run in runs:
        given = dict(word.split("=", 1) for word in run.shown if "=" in word)
        rows.setdefault(tuple(given.get(key, "") for key in keys), Counter())[run.state] += 1
    return rows


def _line(status: SweepStatus, run: RunStatus) -> str:
    """What is to be said of one run."""
    grid, sign = status.grid, run.sign
    name = f"{run.state} {grid.place_of(run.number).strip()}  {grid.varying(run.shown)}".rstrip()
    if run.state == "failed":
        return f"{name}: {run.error}\n{'':8}{shlex.join(grid.alone(run.shown))}"
    if sign is None:
        return name
    if run.state == "running":
        return f"{name}, for {in_words(time.time() - sign.since)}, by process {sign.process} of {sign.host}"
    return f"{name}, which process {sign.process} of {sign.host} began {time.strftime('%F %T', _local(sign.since))}"


def _text(line: str, style: str = "") -> Text:
    return Text(line, style=style, no_wrap=True, overflow="ignore")


def _local(seconds: float) -> time.struct_time:
    return time.localtime(seconds)


def _advice(status: SweepStatus) -> list[str]:
    """How to go on, where nobody works on what is left."""
    if status.parents or status.of("running") or (len(status.of("done")) == len(status.runs) and not status.found):
        return []
    return [f"{shlex.join(['promptlab', 'sweep', 'resume', str(status.folder)])} goes on with what is not done"]
