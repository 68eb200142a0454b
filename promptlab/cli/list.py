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
_GIVEN = ("clip", "class_names", "template", "has_images", "generator", "dataset", "shots", "seed", "val", "root")
"""Arguments that the run gives."""
_BY_HAND = {"SavedLearner": ("folder",)}
"""Of targets whose other arguments a program writes down, those that a command line gives."""
_TOLD_ELSEWHERE = ("summary", "is", "targets")
_NO_KEYS = ("about", "defaults", "name", "_target_", "_partial_")


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
                _print_one(KINDS[kind], name, node)
        else:
            _print_list(kind, found)
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


def _print_list(kind: str, found: Mapping[str, Any]) -> None:
    """A name with its summary, and below it, but for datasets, the other facts."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from promptlab.support.console import console

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("name", style="cyan", overflow="fold", max_width=34)
    table.add_column("about", overflow="fold")
    for name, node in found.items():
        about = dict(node.get("about") or {})
        lines = [Text(_summary(about))]
        if kind == "experiments":
            lines.append(Text(" ".join(f"{key}={value}" for key, value in _settings(node).items()), style="dim"))
        if kind != "datasets":
            lines += [
                Text(f"{key}: {', '.join(value) if isinstance(value, list) else value}", style="dim")
                for key, value in about.items()
                if key not in _TOLD_ELSEWHERE
            ]
        table.add_row(Text(name), Group(*lines))
    console().print(Text(kind, style="bold"))
    console().print(table)


def _summary(about: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{about[key]:,} {key}" for key in ("classes", "images") if isinstance(about.get(key), int))
    return f"{about.get('summary', '')}{f' ({counts})' if counts else ''}"


def _settings(node: Mapping[str, Any]) -> dict[str, str]:
    """What a recipe sets, as words of a command line: another recipe that it begins with, choices, and keys."""
    chosen: dict[str, str] = {}
    for entry in node.get("defaults", ()):
        choices = entry if isinstance(entry, Mapping) else {"experiment": entry}
        chosen |= {key.removeprefix("override /").lstrip("/"): str(value) for key, value in choices.items()}
    return chosen | _keys_of({key: value for key, value in node.items() if key not in _NO_KEYS})


def _keys_of(node: Mapping[str, Any]) -> dict[str, str]:
    """Keys with their values, those of a part with its name in front."""
    found: dict[str, str] = {}
    for key, value in node.items():
        inner = {f"{key}.{own}": shown for own, shown in _keys_of(value).items()} if isinstance(value, Mapping) else {}
        found |= inner or {key: _shown(value)}
    return found


def _print_one(group: str, name: str, node: Mapping[str, Any]) -> None:
    """All about one choice: its facts, and each key with its value and what it means."""
    from promptlab.config.groups import target_of
    from promptlab.support.console import say

    say(name, style="bold")
    for key, value in (node.get("about") or {}).items():
        say(f"  {key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if group == "experiment":
        for key, value in _settings(node).items():
            say(f"  {key}={value}")
        say(f"  promptlab experiment={name} --cfg job --resolve    all that it comes to", style="dim")
    if group == KINDS["launchers"]:
        _print_values(group.replace("/", "."), node)
    elif target_of(node) is not None:
        say("  keys:")
        _print_keys(group, node)
    sweep = "-m " if group in (KINDS["launchers"], "study") else ""
    teacher = " teacher=FOLDER" if group == "learner" and "teacher" in node else ""
    say(f"  promptlab {sweep}{group}={name}{teacher}", style="dim")


def _print_values(place: str, node: Mapping[str, Any]) -> None:
    """Each key with its value, for what takes whatever its file has."""
    from promptlab.support.console import say

    for key, value in node.items():
        if key in _NO_KEYS:
            continue
        if isinstance(value, Mapping) and value:
            _print_values(f"{place}.{key}", value)
        else:
            shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
            say(f"    {place}.{key}={shown}", style="cyan")


def _print_keys(place: str, node: Mapping[str, Any]) -> None:
    """Each key with its value and what it means, those of a part below it."""
    from rich.padding import Padding

    from promptlab.config.groups import target_of
    from promptlab.support.console import console, say

    target = target_of(node)
    for key in _BY_HAND.get(target.name, target.parameters) if target else ():
        if key in (*_GIVEN, *_NO_KEYS):
            continue
        value = _shown(node[key]) if key in node else ""
        say(f"    {place}.{key}{f'={value}' if value else ''}", style="cyan")
        if target is not None and target.said.get(key):
            console().print(Padding(target.said[key].replace("``", ""), (0, 0, 0, 8)))
        if isinstance(node.get(key), Mapping) and "_target_" in node[key]:
            _print_keys(f"{place}.{key}", node[key])


def _shown(value: Any) -> str:
    """A value as a command line gives it; of a part, how it is given."""
    if isinstance(value, Mapping):
        return "" if "_target_" in value else str(dict(value))
    if "${" in str(value):
        return "(a table: by protocol, dataset, shots or another key)"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
