"""``promptlab cache``: what the feature bank holds, and how to make it smaller."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptlab.support.paths import cache_dir
from promptlab.support.words import counted

if TYPE_CHECKING:
    from rich.table import Table

    from promptlab.features.upkeep import CollectionInfo

SUMMARY = "the features kept on this machine"
USAGE = "cache list|prune|clear"


def main(arguments: Sequence[str]) -> int:
    """List, prune or clear the feature bank; returns the exit status."""
    parser = argparse.ArgumentParser(prog="promptlab cache", description=f"image features kept in {cache_dir()}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="what is kept")
    pruning = verbs.add_parser("prune", help="drop what was used longest ago")
    pruning.add_argument("--older-than-days", type=float, help="drop features unused for that many days")
    pruning.add_argument("--keep-mb", type=float, help="drop the longest unused until this size is left")
    verbs.add_parser("clear", help="drop everything")
    options = parser.parse_args(arguments)
    from promptlab.features.upkeep import clear, list_collections, prune
    from promptlab.runs.baseline import kept_scores
    from promptlab.support.console import console as text_console

    console = text_console()
    if options.verb == "list":
        console.print(_listing(list_collections()))
        if kept_scores():
            console.print(f"and zero-shot scores of {counted(len(kept_scores()), 'evaluation')}")
        return 0
    if options.verb == "prune":
        if options.older_than_days is None and options.keep_mb is None:
            pruning.error("say what to drop: --older-than-days DAYS or --keep-mb MB")
        keep_bytes = None if options.keep_mb is None else int(options.keep_mb * 2**20)
        dropped = prune(older_than_days=options.older_than_days, keep_bytes=keep_bytes)
    else:
        dropped = clear()
        for path in kept_scores():
            path.unlink(missing_ok=True)
    features = counted(sum(row.count for row in dropped), "feature")
    console.print(f"dropped {features} of {counted(len(dropped), 'collection')}")
    return 0


def _listing(rows: Sequence[CollectionInfo]) -> Table | str:
    if not rows:
        return f"nothing is kept in {cache_dir()}"
    from rich.table import Table

    table = Table(title=str(cache_dir()), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("backbone", "transform", "view", "features", "MB", "last used"):
        table.add_column(column, justify="right" if column in ("view", "features", "MB") else "left")
    for row in rows:
        size = f"{row.bytes / 2**20:.1f}"
        used = f"{datetime.fromtimestamp(row.last_used):%Y-%m-%d %H:%M}"
        table.add_row(f"{row.name} {row.backbone}", row.transform, str(row.view), str(row.count), size, used)
    return table
