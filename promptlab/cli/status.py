"""``promptlab status``: how far a sweep is, and how long the rest takes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.jobs.status import SweepStatus, SweepWatcher

SUMMARY = "how far a sweep is: what is done, running, failed, missing; time left"
USAGE = "status [DIR] [--watch]"
SECONDS_BETWEEN_LOOKS = 3.0


def main(arguments: Sequence[str]) -> int:
    """Show it; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.jobs.grid import sweeps_in
    from promptlab.jobs.status import SweepWatcher
    from promptlab.jobs.status_table import described, status_view
    from promptlab.support.console import console, say_json

    sweeps = [SweepWatcher(folder) for folder in sweeps_in(options.folder)]
    if options.watch:
        _watch(sweeps)
        return 0
    found = [sweep.look() for sweep in sweeps]
    if options.json:
        say_json(described(found[0]) if len(found) == 1 else [described(one) for one in found])
    else:
        console().print(*map(status_view, found), sep="\n\n", crop=False)
    return 0


def _watch(sweeps: Sequence[SweepWatcher]) -> None:
    """Show it anew every few seconds until nothing is left to do; Ctrl-C ends it."""
    from rich.console import Group
    from rich.live import Live

    from promptlab.jobs.status_table import status_view
    from promptlab.support.console import console

    def view(found: Sequence[SweepStatus]) -> Group:
        return Group(*map(status_view, found))

    try:
        found = [sweep.look() for sweep in sweeps]
        with Live(view(found), console=console(), auto_refresh=False) as live:
            while not all(one.is_over for one in found):
                time.sleep(SECONDS_BETWEEN_LOOKS)
                found = [sweep.look() for sweep in sweeps]
                live.update(view(found), refresh=True)
    except KeyboardInterrupt:
        pass


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="promptlab status", description="How far a sweep is, wherever it runs.")
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="DIR",
        default="results",
        help="a folder of results, whose last sweep is meant (results); a sweep's own; or one that holds several",
    )
    parser.add_argument("--watch", action="store_true", help="look again every few seconds until the sweep is done")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    return parser
