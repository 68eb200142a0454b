"""``promptlab data check|prepare NAME``: what of a dataset is there, and getting what is not."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.cli._plugins import add_config_dir, find_plugins
from promptlab.support.console import say, say_json
from promptlab.support.errors import DatasetError, UsageError

if TYPE_CHECKING:  # --help imports neither Hydra nor torch
    from promptlab.data.items import Dataset
    from promptlab.data.prepare import Finding, Sources

SUMMARY = "what of a dataset is there; downloads it, or says how to get it"
USAGE = "data check|prepare NAME"
COLOURS = {"ok": "green", "missing": "red", "differs": "red", "note": "dim"}
DESCRIPTION = """\
check    says what of a dataset is there, what is missing and where it belongs, and compares its numbers
prepare  downloads what has a public source, and says how to get the rest; what is there is left as it is

  promptlab data check eurosat --root DATA
  promptlab data prepare caltech101 --root DATA
  promptlab data check folder dataset.path=PICTURES

exit status: 0 if the dataset is complete, 1 if something is missing or differs, 2 if there is no such dataset"""


def main(arguments: Sequence[str]) -> int:
    """Check or prepare a dataset; returns the exit status."""
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    options = parser.parse_intermixed_args(list(arguments))
    from promptlab.data.prepare import sources_of

    find_plugins(arguments)
    node = _node(options)
    sources = sources_of(options.name)
    if options.verb == "prepare":
        if options.json:
            raise UsageError("data prepare prints no JSON: data check --json says what is there afterwards")
        return _prepare(node, sources, options)
    findings = _show(node, sources, options)
    if options.json:
        found = [asdict(finding) for finding in findings]
        say_json({"dataset": options.name, "complete": not _is_bad(findings), "findings": found})
        return int(_is_bad(findings))
    if _is_bad(findings) and (sources.download or sources.by_hand):
        say(f"next: {_command('prepare', options)}")
    return int(_is_bad(findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab data", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=("check", "prepare"))
    parser.add_argument("name", metavar="NAME", help="one of `promptlab list datasets`")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="dataset.KEY=VALUE as for a run")
    parser.add_argument("--root", metavar="DATA", help="the folder of datasets, as data.root=DATA for a run")
    parser.add_argument("--decode", action="store_true", help="read every image, not just the folders' listings")
    add_config_dir(parser)
    parser.add_argument("--json", action="store_true", help="check: one JSON document in place of the lines")
    return parser


def _node(options: argparse.Namespace) -> dict[str, Any]:
    """The dataset's configuration, composed and checked as a run's.

    Raises:
        UsageError: naming the key or the dataset, and what is allowed.
    """
    from promptlab.config.choices import choice_of
    from promptlab.config.compose import node_of
    from promptlab.config.groups import existing
    from promptlab.config.overrides import opened
    from promptlab.config.quoting import quoted, readable

    name = options.name.removeprefix("dataset=")  # as it is spelled for a run
    if not name or "=" in name:
        raise UsageError(f"{name!r} is no dataset; see promptlab list datasets")
    options.name = name
    folders = existing(options.config_dir)
    overrides = [readable(f"dataset={name}", folders)]
    for override in options.overrides:
        if not override.startswith(("dataset.", "data.root=")) or "=" not in override:
            raise UsageError(f"{override!r}: dataset.KEY=VALUE or data.root=FOLDER is needed here")
        overrides.append(readable(opened(override), folders))
    if options.root is not None:
        overrides.append(f"data.root={quoted(options.root)}")
    node = node_of("dataset", overrides, folders)
    choice_of(node, "dataset", named=False)
    return node


def _show(node: Mapping[str, Any], sources: Sources, options: argparse.Namespace) -> list[Finding]:
    """Print what there is, as it is found."""
    from promptlab.config.choices import choice_of
    from promptlab.data.prepare import examine
    from promptlab.data.prepare.examine import root_of
    from promptlab.data.summary import summary

    where = f" in {root_of(node)}" if "root" in node else ""
    tell = (lambda *_, **__: None) if options.json else say
    tell(f"{options.name}{where}", style="bold")
    given = {**node, "validate": False} if "validate" in node else node  # done below, where it goes past a problem
    findings: list[Finding] = []
    opened: list[Dataset] = []
    reads = choice_of(given, "dataset").factory()

    def open_dataset() -> Dataset:
        opened.append(reads())
        return opened[-1]

    for found in examine(node, open_dataset, sources, decode=options.decode or None):
        findings.append(found)
        label = "" if found.state == "note" else found.state
        tell(f"  {label:<8} ", style=COLOURS[found.state], end="")
        tell(f"{found.what:<12} {found.said}")
    for dataset in opened:
        for line in summary(dataset, notes=False):
            tell(f"  {line}", style="dim")
    if not _is_bad(findings):
        tell("complete", style="green")
    return findings


def _is_bad(findings: Sequence[Finding]) -> bool:
    return any(finding.state in ("missing", "differs") for finding in findings)


def _prepare(node: Mapping[str, Any], sources: Sources, options: argparse.Namespace) -> int:
    """Download, check, and say what is left to do."""
    from promptlab.data.prepare import install
    from promptlab.data.prepare.examine import lacking, layouts_of, root_of

    if not sources.download and not sources.by_hand:
        source = (node.get("about") or {}).get("source", "")
        say(f"{options.name}: nothing to download ({source})")
    failed: DatasetError | None = None
    try:
        install(sources.download, root_of(node), layouts=layouts_of(node), say=say)
    except DatasetError as error:  # said at the end: what is there and what is left to do comes all the same
        failed = error
    findings = _show(node, sources, options)
    if any((finding.state, finding.what) == ("missing", "image files") for finding in findings) and sources.download:
        say("what was there is left as it is: rename its folder, and prepare downloads it anew")
    steps = lacking(node, sources)
    if steps:
        say("\nto be fetched by hand:", style="bold")
    for number, step in enumerate(steps, 1):
        say(f"{number:3}. {Path(step.to).name}: {step.get}\n     -> {root_of(node) / step.to}")
        if step.note:
            say(f"     {step.note}")
    if steps:
        say(f"then: {_command('check', options)}")
    if failed:
        raise failed
    return int(_is_bad(findings))


def _command(verb: str, options: argparse.Namespace) -> str:
    """The other verb's command for the same dataset, to be copied into a shell."""
    given = [("--root", options.root), *(("--config-dir", folder) for folder in options.config_dir)]
    flags = [word for flag, value in given if value is not None for word in (flag, value)]
    return shlex.join(["promptlab", "data", verb, options.name, *flags, *options.overrides])
