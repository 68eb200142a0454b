"""``promptlab list``: what there is to choose from, by the ``about:`` blocks of the configuration files.

A list has a line or two for each; ``promptlab list learners NAME`` says all about one, with the keys that it takes.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptlab.cli._plugins import add_config_dir
from promptlab.support.errors import UsageError
from promptlab.support.words import suggest

SUMMARY = "what there is to choose from: learners, datasets, studies, ..."
USAGE = "list [learners|datasets|...]"
KINDS = {
    "learners": "learner",
    "datasets": "dataset",
    "protocols": "protocol",
    "backbones": "backbone",
    "experiments": "experiment",
    "studies": "study",
    "launchers": "hydra/launcher",
    "loggers": "logger",
}
_BY_COMMENT = ("experiments", "launchers", "loggers")
"""Whose files say what they are in the comment at their head."""
DESCRIPTION = """\
  promptlab list                      everything
  promptlab list learners             one list
  promptlab list learners coop        all about one: what it is, where from, and its keys
  promptlab list datasets --json      for programs
  promptlab list backbones --causal --language en
"""
_MANY_LANGUAGES = "many"


def main(arguments: Sequence[str]) -> int:
    """Print one list, or all, or some choices in full; returns the exit status.

    Raises:
        UsageError: if the arguments name no list, or nothing in it.
    """
    parser = argparse.ArgumentParser(
        prog="promptlab list", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", nargs="?", metavar="LIST", help=", ".join(KINDS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="say all about these")
    add_config_dir(parser)
    parser.add_argument("--causal", action="store_true", help="of backbones, those that encode shared prefixes once")
    parser.add_argument("--language", metavar="LANG", help="of backbones, those that were trained with it: en, de, ...")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    if options.kind not in (None, *KINDS):
        close = suggest(options.kind, KINDS)
        raise UsageError(f"no list {options.kind!r}{close}; there are {', '.join(KINDS)}")
    from promptlab.cli._choices import print_choice, print_list
    from promptlab.config.groups import about_by_comment, choices, existing

    folders = existing(options.config_dir)
    lists = {kind: dict(choices(KINDS[kind], folders)) for kind in ([options.kind] if options.kind else KINDS)}
    if options.causal or options.language:
        if options.kind != "backbones":
            raise UsageError("--causal and --language choose among backbones: promptlab list backbones --causal")
        lists["backbones"] = _fitting(lists["backbones"], causal=options.causal, language=options.language)
    for kind in _BY_COMMENT:
        for name, node in lists.get(kind, {}).items():
            lists[kind][name] = {"about": about_by_comment(KINDS[kind], name, folders), **node}
    for name, node in lists.get("studies", {}).items():
        lists["studies"][name] = {**node, "about": _about_study(name, node, folders)}
    for name in options.names:
        known = lists[options.kind]
        if name not in known:
            raise UsageError(f"no {KINDS[options.kind]} {name!r}{suggest(name, known)}; there are {', '.join(known)}")
    chosen = {k: {name: node for name, node in found.items() if name in (options.names or found)}
              for k, found in lists.items()}  # fmt: skip
    if options.json:
        _print_json(chosen, in_full=bool(options.names))
        return 0
    for kind, found in chosen.items():
        if options.names:
            for name, node in found.items():
                print_choice(KINDS[kind], name, node)
        else:
            print_list(kind, found)
    return 0


def _fitting(found: Mapping[str, Any], *, causal: bool, language: str | None) -> dict[str, Any]:
    """The backbones whose text tower is causal, and that know a language."""
    abouts = {name: node.get("about") or {} for name, node in found.items()}
    return {
        name: found[name]
        for name, about in abouts.items()
        if (not causal or about.get("text_tower") == "causal")
        and (language is None or {language.lower(), _MANY_LANGUAGES} & set(about.get("languages", ())))
    }


def _about_study(name: str, node: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """What a study says of itself, how much it is, and the command that it is short for."""
    from promptlab.config.studies import study

    chosen = study(name, folders)
    images = chosen.images(folders)
    size = f"{chosen.size()}{f'; datasets of {images:,} images' if images else ''}"
    return {**(node.get("about") or {}), "size": size, "is": shlex.join(["promptlab", "-m", *chosen.words])}


def _print_json(lists: Mapping[str, Mapping[str, Any]], *, in_full: bool) -> None:
    from promptlab.support.console import say

    shown = {
        kind: {name: node if in_full else node.get("about") or {} for name, node in found.items()}
        for kind, found in lists.items()
    }
    say(json.dumps(shown, indent=1, default=str))
