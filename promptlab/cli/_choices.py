"""Choices of the configuration on the console: a list of them, or one with all its keys and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from promptlab.config.groups import GIVEN, NO_ARGUMENTS, as_word, written_target
from promptlab.support.console import console, say

LAUNCHER = "hydra/launcher"
"""The group whose choices take whatever their file has."""
_BY_HAND = {"SavedLearner": ("folder",)}
"""Of targets whose other arguments a program writes down, those that a command line gives."""
_TOLD_ELSEWHERE = ("summary", "is", "targets")
_ROLE = re.compile(r":\w+:`[~.]?([^`]*)`")
"""What a docstring refers to, as Sphinx has it."""


def print_list(kind: str, found: Mapping[str, Any]) -> None:
    """A name with its summary, and below it, but for datasets, the other facts."""
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
    return chosen | _keys_of({key: value for key, value in node.items() if key not in NO_ARGUMENTS})


def _keys_of(node: Mapping[str, Any]) -> dict[str, str]:
    """Keys with their values, those of a part with its name in front."""
    found: dict[str, str] = {}
    for key, value in node.items():
        inner = {f"{key}.{own}": shown for own, shown in _keys_of(value).items()} if isinstance(value, Mapping) else {}
        found |= inner or {key: _shown(value)}
    return found


def print_choice(group: str, name: str, node: Mapping[str, Any]) -> None:
    """All about one choice: its facts, and each key with its value and what it means."""
    say(name, style="bold")
    for key, value in (node.get("about") or {}).items():
        say(f"  {key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if group == "experiment":
        for key, value in _settings(node).items():
            say(f"  {key}={value}")
        say(f"  promptlab experiment={name} --cfg job --resolve    all that it comes to", style="dim")
    if group == LAUNCHER:
        _print_values(group.replace("/", "."), node)
    elif written_target(node) is not None:
        say("  keys:")
        _print_keys(group, node)
    sweep = "-m " if group in (LAUNCHER, "study") else ""
    teacher = " teacher=FOLDER" if group == "learner" and "teacher" in node else ""
    say(f"  promptlab {sweep}{group}={name}{teacher}", style="dim")


def _print_values(place: str, node: Mapping[str, Any]) -> None:
    """Each key with its value, for what takes whatever its file has."""
    for key, value in node.items():
        if key in NO_ARGUMENTS:
            continue
        if isinstance(value, Mapping) and value:
            _print_values(f"{place}.{key}", value)
        else:
            say(f"    {place}.{key}={as_word(value)}", style="cyan")


def _print_keys(place: str, node: Mapping[str, Any]) -> None:
    """Each key with its value and what it means, those of a part below it."""
    target = written_target(node)
    for key in _BY_HAND.get(target.name, target.parameters) if target else ():
        if key in (*GIVEN.get(place.partition(".")[0], ()), *NO_ARGUMENTS):
            continue
        value = _shown(node[key]) if key in node else ""
        say(f"    {place}.{key}{f'={value}' if value else ''}", style="cyan")
        if target is not None and target.said.get(key):
            console().print(Padding(_ROLE.sub(r"\1", target.said[key]).replace("``", ""), (0, 0, 0, 8)))
        if isinstance(node.get(key), Mapping) and "_target_" in node[key]:
            _print_keys(f"{place}.{key}", node[key])


def _shown(value: Any) -> str:
    """A value as a command line gives it; of a part, how it is given."""
    if isinstance(value, Mapping):
        return "" if "_target_" in value else str(dict(value))
    if "${" in str(value):
        return "(a table: by protocol, dataset, shots or another key)"
    return as_word(value)
