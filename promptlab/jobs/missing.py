"""Datasets that aren't on this disk are named before anything runs, all of them at once, with how to get them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from promptlab.config.settings import Choice, Settings
from promptlab.data.prepare import Sources, sources_of
from promptlab.support.errors import DatasetError
from promptlab.support.signatures import signature_of


def require_datasets(every: Iterable[Settings]) -> None:
    """Refuse runs whose datasets aren't there.

    Args:
        every: the settings of one run, or of all in a sweep.

    Raises:
        DatasetError: with what each one's reader says, and the commands that get them.
    """
    chosen = [choice for settings in every for choice in (settings.dataset, *(settings.targets or ()))]
    missing = {str(choice.as_node()): choice for choice in chosen if _is_absent(choice)}
    said = list(dict.fromkeys(_say(choice) for choice in missing.values()))
    problems = [text for text in said if text]
    if problems:
        commands = dict.fromkeys(_prepare(choice) for choice in missing.values())
        raise DatasetError(f"{' '.join(problems)} Get {'it' if len(problems) == 1 else 'them'} with: "
                           f"{'; '.join(filter(None, commands))}")  # fmt: skip


def _is_absent(choice: Choice) -> bool:
    """Whether neither the folder of all datasets nor this one's own in it is there."""
    if "root" not in signature_of(choice.kind) or sources_of(_name(choice)) == Sources():
        return False
    root = Path(str(choice.arguments.get("root") or "data")).expanduser()
    return not any((root / home).is_dir() for home in _homes(choice))


def _homes(choice: Choice) -> Iterator[str]:
    for folder in choice.arguments.get("folders") or (choice.arguments.get("folder") or ".",):
        yield str(folder).split("/")[0]


def _say(choice: Choice) -> str:
    """What its reader says; nothing where it finds the files in another place."""
    try:
        choice.make()
    except DatasetError as error:
        return str(error)
    return ""


def _prepare(choice: Choice) -> str:
    root = str(choice.arguments.get("root") or "data")
    return shlex.join(["promptlab", "data", "prepare", _name(choice), "--root", root])


def _name(choice: Choice) -> str:
    return str(choice.arguments.get("name") or choice.name)
