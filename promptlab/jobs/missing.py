"""Datasets that aren't on this disk are named before anything runs, all of them at once, with how to get them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from promptlab.config.check import check
from promptlab.config.choice import Choice
from promptlab.config.compose import composed
from promptlab.config.overrides import SKIP_MISSING, lists_of
from promptlab.config.settings import Settings
from promptlab.data.prepare import Sources, sources_of
from promptlab.support.console import say
from promptlab.support.errors import DatasetError
from promptlab.support.signatures import signature_of
from promptlab.support.words import counted

_IN_FULL = 2
"""Of as many missing datasets everything is said, of more their names."""


def require_datasets(every: Iterable[Settings]) -> None:
    """Refuse runs whose datasets aren't there.

    Args:
        every: the settings of one run, or of all in a sweep.

    Raises:
        DatasetError: with what each one's reader says, or, of many, their names, and the commands that get them.
    """
    chosen = {str(choice.as_node()): choice for settings in every for choice in _datasets(settings)}
    missing = {text: choice for choice in chosen.values() if (text := _missing(choice))}
    if missing:
        them = "it" if len(missing) == 1 else "them"
        skip = f"; or run without {them}: {SKIP_MISSING}" if len(missing) < len(chosen) else ""
        problems, commands = _briefly(list(missing.values())) if len(missing) > _IN_FULL else _in_full(missing)
        raise DatasetError(f"{problems} Get {them} with: {commands}{skip}")


def without_missing(overrides: Sequence[str], folders: Sequence[Path] = ()) -> list[str]:
    """A sweep without the datasets that aren't there, be it to train on or to score; which they are is said.

    Args:
        overrides: of the sweep, in Hydra's grammar.
        folders: configuration folders besides promptlab's own.

    Returns:
        The overrides with fewer values of ``dataset``, or with ``protocol.targets``; as they are where none is left,
        which :func:`require_datasets` then says.
    """
    every = {tuple(words): check(composed(words, folders), folders) for words in lists_of(overrides, sweeps=True)}
    gone = {word for words, settings in every.items() for word in words
            if word.startswith("dataset=") and _missing(settings.dataset)}  # fmt: skip
    left = [_without(override, gone) for override in overrides]
    first = next(iter(every.values()))
    lost = [choice for choice in first.targets or () if _missing(choice)]
    there = [_name(choice) for choice in first.targets or () if choice not in lost]
    if lost and there:
        left.append(f"++protocol.targets=[{','.join(there)}]")
    names = [*sorted(word.partition("=")[2] for word in gone), *map(_name, lost)]
    if left != list(overrides):
        say(f"left out {counted(len(names), 'missing dataset')}: {', '.join(names)}", stderr=True)
    return left


def _without(override: str, gone: Collection[str]) -> str:
    """An override of ``dataset`` without the values that are gone; as it is where all are."""
    key, _, values = override.partition("=")
    left = [value for value in values.split(",") if f"{key}={value}" not in gone]
    return f"{key}={','.join(left)}" if key == "dataset" and left else override


def _datasets(settings: Settings) -> Iterator[Choice]:
    yield from (settings.dataset, *(settings.targets or ()))


def _missing(choice: Choice) -> str:
    """What its reader says of a dataset that isn't on this disk; nothing of others."""
    return _say(choice) if _is_absent(choice) else ""


def _in_full(missing: Mapping[str, Choice]) -> tuple[str, str]:
    """What each one's reader says, and the command of each."""
    return " ".join(missing), "; ".join(dict.fromkeys(map(_prepare, missing.values())))


def _briefly(missing: Sequence[Choice]) -> tuple[str, str]:
    """The names, and one command that goes through them."""
    names, root = [_name(choice) for choice in missing], shlex.quote(_root(missing[0]))
    loop = f"for name in {shlex.join(names)}; do promptlab data prepare $name --root {root}; done"
    return f"{len(names)} datasets are missing in {root}: {', '.join(names)}.", loop


def _is_absent(choice: Choice) -> bool:
    """Whether neither the folder of all datasets nor this one's own in it is there."""
    if "root" not in signature_of(choice.kind) or sources_of(_name(choice)) == Sources():
        return False
    root = Path(_root(choice)).expanduser()
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
    return shlex.join(["promptlab", "data", "prepare", _name(choice), "--root", _root(choice)])


def _root(choice: Choice) -> str:
    return str(choice.arguments.get("root") or "data")


def _name(choice: Choice) -> str:
    return str(choice.arguments.get("name") or choice.name)
