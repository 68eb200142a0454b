"""``promptlab encode``: fill the feature bank before runs ask for it, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.cli._plugins import add_config_dir, find_plugins
from promptlab.support.errors import UsageError
from promptlab.support.words import counted, megabytes

if TYPE_CHECKING:
    from rich.table import Table

    from promptlab.features.on_ray import Cluster
    from promptlab.runs.encode import Lacking, Want

SUMMARY = "encodes images beforehand, here or on a Ray cluster"
USAGE = "encode [KEY=VALUE ...] [--ray]"
DESCRIPTION = """\
Encodes what a run with these keys may ask for and isn't kept yet: `views` random views of the training images, and the
evaluation transform of every split. Killed, it goes on where it stood. Values with commas are gone through.

  promptlab encode data.root=DATA dataset=eurosat,dtd backbone=vit_b16 views=16
  promptlab encode data.root=DATA dataset=imagenet --split test --ray --address auto

With --ray, actors encode, on GPUs where the cluster has some, and write files that every machine may read (shards) into
PROMPTLAB_SHARDS, a folder that all of them see; set it for runs, too. Without it they lie in the cache folder."""


def main(arguments: Sequence[str]) -> int:
    """Encode what isn't kept; returns the exit status.

    Raises:
        UsageError: for arguments that don't fit each other, or where nothing has to be encoded.
        PromptlabError: if it can't be done; what was encoded stays.
    """
    options = _parser().parse_intermixed_args(list(arguments))
    if not options.ray and (options.actors is not None or options.address is not None):
        raise UsageError("--actors and --address are for --ray")
    find_plugins(arguments)
    from promptlab.config.groups import existing
    from promptlab.jobs.every import every_settings
    from promptlab.runs.encode import wants_of

    folders = existing(options.config_dir)
    splits = _splits(options.split)
    wants = wants_of(every_settings(options.overrides, folders), splits)
    if not wants:
        raise UsageError(f"nothing to encode: no images in {', '.join(splits)}")
    if not options.ray:
        return _here(wants, options)
    from promptlab.features.on_ray import connected

    with connected(options.address) as cluster:
        return _on_ray(wants, cluster, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab encode", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for a run")
    parser.add_argument("--split", metavar="NAMES", help="of train,val,test: which images (all)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    add_config_dir(parser)
    parser.add_argument("--ray", action="store_true", help="encode on Ray, into shards")
    parser.add_argument("--actors", type=int, metavar="N", help="how many hold the backbone (as many as have room)")
    parser.add_argument("--address", help="of the cluster: auto, or HOST:PORT (RAY_ADDRESS, else this machine)")
    return parser


def _splits(text: str | None) -> tuple[str, ...]:
    from promptlab.data.items import SPLITS

    chosen = SPLITS if text is None else tuple(text.split(","))
    for split in chosen:
        if split not in SPLITS:
            raise UsageError(f"--split {split}: allowed are {', '.join(SPLITS)}, with commas between")
    return chosen


def _here(wants: Sequence[Want], options: argparse.Namespace) -> int:
    from promptlab.runs import session
    from promptlab.runs.encode import fill, look_up
    from promptlab.support.progress import image_progress

    bank = session.feature_bank()
    lacking = look_up(bank, wants)
    _show(lacking, options)
    with image_progress("encoding", _pictures(lacking), show=True) as advance:
        encoded = fill(bank, lacking, advance)
    _end(lacking, encoded, bank.path.parent, options)
    return 0


def _on_ray(wants: Sequence[Want], cluster: Cluster, options: argparse.Namespace) -> int:
    from promptlab.features.shards import require_shared, shards_dir
    from promptlab.runs import session
    from promptlab.runs.encode import fill_on_ray, look_up
    from promptlab.support.progress import image_progress

    root = shards_dir()
    require_shared(cluster.nodes)
    lacking = look_up(session.feature_bank(), wants, cluster.device)
    _show(lacking, options)
    missing = sum(int(lack.missing.sum()) for lack in lacking)
    with image_progress("encoding on Ray", missing, show=True) as advance:
        encoded = fill_on_ray(root, lacking, cluster, options.actors, advance)
    _end(lacking, encoded, root, options)
    return 0


def _pictures(lacking: Sequence[Lacking]) -> int:
    """What the bank counts: all views of every image that lacks one."""
    return sum(int(lack.missing.any(axis=1).sum()) * lack.missing.shape[1] for lack in lacking)


def _show(lacking: Sequence[Lacking], options: argparse.Namespace) -> None:
    from promptlab.support.console import console

    if not options.json:
        console().print(_table(lacking))


def _table(lacking: Sequence[Lacking]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("dataset", "split", "backbone", "views", "images", "features", "missing"):
        table.add_column(column, justify="right" if column in ("images", "features", "missing") else "left")
    for lack in lacking:
        want = lack.want
        views = f"{want.views} random" if want.views else "evaluation"
        numbers = (len(want.contents), lack.missing.size, int(lack.missing.sum()))
        table.add_row(want.dataset, want.split, want.clip.name, views, *(f"{number:,}" for number in numbers))
    return table


def _end(lacking: Sequence[Lacking], encoded: int, folder: Path, options: argparse.Namespace) -> None:
    from promptlab.support.console import say, say_json

    rows = sum(lack.missing.size for lack in lacking)
    size = sum(lack.missing.size * 4 * lack.want.collections()[0].dim for lack in lacking)
    if options.json:
        lists = [_as_json(lack) for lack in lacking]
        say_json({"folder": str(folder), "features": rows, "bytes": size, "encoded": encoded, "lists": lists})
        return
    say(f"{counted(rows, 'feature')}, {megabytes(size)}, of which {encoded:,} were encoded now, in {folder}")


def _as_json(lack: Lacking) -> dict[str, Any]:
    want = lack.want
    return {
        "dataset": want.dataset,
        "split": want.split,
        "backbone": want.clip.name,
        "views": want.views,
        "images": len(want.contents),
        "features": lack.missing.size,
        "were_missing": int(lack.missing.sum()),
    }
