"""``promptlab cache``: what the feature bank holds, and how to make it smaller."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from promptlab.support.paths import cache_dir
from promptlab.support.words import counted, megabytes

if TYPE_CHECKING:
    from rich.table import Table

    from promptlab.features.datasets import DatasetFeatures
    from promptlab.features.shard_upkeep import ShardGroup

SUMMARY = "the features kept on this machine"
USAGE = "cache list|prune|clear"


def main(arguments: Sequence[str]) -> int:
    """List, prune or clear the feature bank; returns the exit status."""
    parser = argparse.ArgumentParser(prog="promptlab cache", description=f"image features kept in {cache_dir()}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", help="what is kept, by dataset and size")
    listing.add_argument("--json", action="store_true", help="one JSON document")
    pruning = verbs.add_parser("prune", help="drop what was used longest ago")
    pruning.add_argument("--older-than-days", type=_amount, help="drop features unused for that many days")
    pruning.add_argument("--keep-mb", type=_amount, help="drop the longest unused until this size is left")
    clearing = verbs.add_parser("clear", help="drop everything of this machine")
    clearing.add_argument("--shards", action="store_true", help="and the shards, which other machines may read")
    options = parser.parse_args(arguments)
    from promptlab.features.upkeep import clear, prune
    from promptlab.results.kept_scores import kept_scores
    from promptlab.support.console import say

    if options.verb == "list":
        _list(as_json=options.json)
        return 0
    if options.verb == "prune":
        if options.older_than_days is None and options.keep_mb is None:
            pruning.error("say what to drop: --older-than-days DAYS or --keep-mb MB")
        keep_bytes = None if options.keep_mb is None else int(options.keep_mb * 1e6)
        dropped = prune(older_than_days=options.older_than_days, keep_bytes=keep_bytes)
    else:
        dropped = clear()
        for path in kept_scores():
            path.unlink(missing_ok=True)
    features = counted(sum(row.count for row in dropped), "feature")
    say(f"dropped {features} of {counted(len(dropped), 'collection')}")
    if options.verb == "clear":
        _clear_shards(drop=options.shards)
    return 0


def _clear_shards(*, drop: bool) -> None:
    from promptlab.features.shard_upkeep import clear_shards, list_shards
    from promptlab.features.shards import shards_dir
    from promptlab.support.console import say

    rows = clear_shards() if drop else sum(group.rows for group in list_shards())
    if rows:
        what = f"{counted(rows, 'feature')} in shards in {shards_dir()}"
        say(f"dropped {what}" if drop else f"{what} stay: --shards drops them, too")


def _amount(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a number from 0 is needed")
    return value


def _list(*, as_json: bool) -> None:
    from promptlab.features.datasets import list_datasets
    from promptlab.features.shard_upkeep import list_shards
    from promptlab.features.shards import shards_dir
    from promptlab.features.upkeep import list_collections
    from promptlab.results.kept_scores import kept_scores
    from promptlab.support.console import console, say, say_json

    found, scores, shards = list_datasets(), len(kept_scores()), list_shards()
    if as_json:
        rows = [asdict(row) for row in found.rows]
        collections = [asdict(info) for info in list_collections()]
        shown = {"folder": str(cache_dir()), **asdict(found), "rows": rows, "collections": collections}
        shown["zero_shot_scores"] = scores
        shown["shards"] = {"folder": str(shards_dir()), "groups": [asdict(group) for group in shards]}
        say_json(shown)
        return
    say(str(cache_dir()) if found.rows else f"nothing is kept in {cache_dir()}")
    if found.rows:
        console().print(_table(found.rows))
        say(f"{megabytes(found.bytes)} in all")
    if found.shared_bytes:
        shared = megabytes(found.shared_bytes)
        say(f"{shared} of it are of images that several datasets hold, and count for each of them")
    if any(row.dataset is None for row in found.rows):
        say("unknown: kept by an earlier version, or for Python code that named no dataset")
    if scores:
        say(f"and zero-shot scores of {counted(scores, 'evaluation')}")
    if shards:
        say(f"{'shards' if found.rows else 'but shards'} in {shards_dir()}")
        console().print(_shards_table(shards))


def _shards_table(groups: Sequence[ShardGroup]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("backbone", "transform", "shards", "features", "size"):
        table.add_column(column, justify="left" if column in ("backbone", "transform") else "right", overflow="fold")
    for group in groups:
        numbers = (f"{group.shards:,}", f"{group.rows:,}", megabytes(group.bytes))
        table.add_row(f"{group.name} {group.backbone}", group.transform, *numbers)
    return table


def _table(rows: Sequence[DatasetFeatures]) -> Table:
    """A line for each; what only tells look-alikes apart stands there where there are some."""
    from rich.table import Table

    alike = Counter((row.dataset, row.name, row.views) for row in rows)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("dataset", "backbone", "views", "images", "size", "last used"):
        table.add_column(column, justify="right" if column in ("images", "size") else "left", overflow="fold")
    for row in rows:
        kind = row.transform.partition("-")[0]
        views = "evaluation" if kind == "eval" else f"{row.views} random"
        backbone = row.name
        if alike[row.dataset, row.name, row.views] > 1:
            backbone, views = f"{row.name} {row.backbone}", f"{views} ({row.transform})"
        used = f"{datetime.fromtimestamp(row.last_used):%Y-%m-%d}"
        table.add_row(row.dataset or "unknown", backbone, views, f"{row.images:,}", megabytes(row.bytes), used)
    return table
