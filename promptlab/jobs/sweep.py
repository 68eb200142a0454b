"""What a sweep ends with, whichever processes its runs were in: the table of all, what failed, and how to go on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptlab.jobs.notes import notes_folder, read_note
from promptlab.jobs.status import RunStatus, SweepStatus, look
from promptlab.report.table import sweep_table
from promptlab.results.document import Result, ResultError
from promptlab.results.store import RESULT_NAME, read_result
from promptlab.support.console import console, say, say_json
from promptlab.support.words import counted, shortened

FAILURES_SHOWN = 20


def show_sweep(folder: Path, *, as_json: bool = False) -> int:
    """Print the table of all runs of a sweep that are done, whoever did them; then what failed, and what is left.

    Args:
        folder: the sweep's.
        as_json: one JSON document in place of the table.

    Returns:
        How many runs failed.
    """
    status = look(folder)
    results = {run.number: _result_of(run) for run in status.runs}
    done = [result for result in results.values() if result is not None]
    if as_json:
        ended = [run for run in status.runs if run.state in ("done", "failed")]
        say_json([_described(folder, run, results[run.number]) for run in ended])
    elif done:
        console().print(sweep_table(done))
    failed = [run for run in status.runs if run.state == "failed" or (run.folder and results[run.number] is None)]
    if failed:
        say_failures(status, failed)
    left = len(status.runs) - len(done) - len(failed)
    if left:
        say(f"{len(done)} of {counted(len(status.runs), 'run')} done; {go_on(folder)} goes on with the others",
            stderr=True)  # fmt: skip
    return len(failed)


def say_failures(status: SweepStatus, failed: Sequence[RunStatus]) -> None:
    """List runs that failed on the error stream: their errors and the commands that repeat them."""
    grid = status.grid
    lines = [
        f"{grid.place_of(run.number)}  {run.error or 'its Result can no longer be read'}\n"
        f"{'':8}{shlex.join(grid.alone(run.shown))}"
        for run in failed
    ]
    say(f"{len(failed)} of {counted(len(status.runs), 'run')} failed:", stderr=True)
    for line in shortened(lines, FAILURES_SHOWN):
        say(line, stderr=True)
    say(f"{go_on(status.folder)} repeats them; their tracebacks are kept in {notes_folder(status.folder)}", stderr=True)


def go_on(folder: Path) -> str:
    """The command that goes on with a sweep."""
    return shlex.join(["promptlab", "sweep", "resume", str(folder)])


def _described(folder: Path, run: RunStatus, result: Result | None) -> dict[str, Any]:
    """A run as ``--json`` shows it: its overrides, and its Result or its error."""
    kept = read_note(folder, run.number) or {"overrides": list(run.shown), "fresh": False, "folder": str(run.folder)}
    return kept if result is None else {**kept, "result": json.loads(result.to_json())}


def _result_of(run: RunStatus) -> Result | None:
    """The Result of a run, None if it has none or its document can't be read any more, which is said."""
    if run.folder is None:
        return None
    try:
        return read_result(run.folder / RESULT_NAME)
    except ResultError as error:
        say(str(error), stderr=True)
        return None
