"""``promptlab verify``: whether the files of a folder of results, of saved learners, or the cache, are whole."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.support.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from promptlab.runs.verify import Checked

SUMMARY = "whether results, saved learners and the cache are whole"
USAGE = "verify [DIR ...]"
_ADVICE = {
    "damaged": "a damaged result stays until its command is run with force=true; cards, states and caches are made "
    "again by the next run that needs them; a damaged shard is passed over, delete it",
    "newer": "newer files need a newer promptlab",
}


def main(arguments: Sequence[str]) -> int:
    """Check every file; returns 1 if one is damaged.

    Raises:
        UsageError: if there is no such folder, or nothing in it that could be checked.
    """
    parser = argparse.ArgumentParser(
        prog="promptlab verify",
        description=f"{SUMMARY}; nothing is changed",
        epilog="exit status: 0 if nothing is damaged, 1 if something is",
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", default=["results"], help="what to check (results)")
    parser.add_argument("--json", action="store_true", help="one JSON document: every file, and what was found of it")
    options = parser.parse_args(arguments)
    missing = [folder for folder in options.folders if not Path(folder).expanduser().is_dir()]
    if missing:
        raise UsageError(f"there is no folder {missing[0]}")
    from promptlab.runs.verify import verify
    from promptlab.support.console import console, say, say_json

    checked = [file for folder in options.folders for file in verify(Path(folder).expanduser())]
    if not checked:
        raise UsageError(f"nothing of promptlab's lies in {', '.join(options.folders)}: give a folder of results, of "
                         "saved learners, or the cache")  # fmt: skip
    states = {file.state for file in checked}
    if options.json:
        files = [{**asdict(file), "path": str(file.path)} for file in checked]
        say_json({"damaged": "damaged" in states, "files": files})
        return 1 if "damaged" in states else 0
    console().print(_counts(checked))
    for file in checked:
        if file.state != "sound":
            why = f": {file.why}" if file.why else ""
            say(f"{file.state}  {file.path}{why}")
    for state, advice in _ADVICE.items():
        if state in states:
            say(advice, style="dim")
    return 1 if "damaged" in states else 0


def _counts(checked: Sequence[Checked]) -> Table:
    """Files by kind and state; states that no file is in have no column."""
    from rich.table import Table

    counts = Counter((file.kind, file.state) for file in checked)
    states = list(dict.fromkeys(["sound", "damaged", *sorted({file.state for file in checked})]))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for state in states:
        table.add_column(state, justify="right")
    for kind in dict.fromkeys(file.kind for file in checked):
        table.add_row(kind, *(str(counts[kind, state] or "") for state in states))
    return table
