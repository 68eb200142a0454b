"""The words of a command line: flags, overrides, and the values that a sweep goes through."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from promptlab.config.groups import choices, existing
from promptlab.config.quoting import quoted
from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import ConfigError
from promptlab.support.words import closest

_WITH_VALUE = ("--config-dir", "-cd", "--cfg", "-c", "--package", "-p")
SKIP_MISSING = "--skip-missing"
"""A flag of sweeps: datasets that aren't on this disk are left out."""
_ALONE = ("-m", "--multirun", SKIP_MISSING, "--resolve", "--info", "-i", "--hydra-help")
_NAMED = ("-m", "--json", SKIP_MISSING, "--config-dir", "--cfg", "--help")
"""Flags that a message about an unknown one names."""
_NONE = {"experiment": None, "logger": "none"}
"""Groups that null leaves out: what stands in its place on the command line, None for no word at all."""


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags (with their values) and overrides apart, so that ``-m`` may stand anywhere.

    Raises:
        ConfigError: for a flag that isn't known, or that lacks its value.

    Example:
        >>> split_flags(["shots=4", "-m", "seed=1,2"])
        (['-m'], ['shots=4', 'seed=1,2'])
    """
    flags, overrides = [], []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, sign, _ = argument.partition("=")
        if name not in (*_WITH_VALUE, *_ALONE):
            known = {flag.lstrip("-"): flag for flag in _NAMED}
            meant = "".join(f", did you mean {known[close]}?" for close in closest(name.lstrip("-"), known))
            raise ConfigError(f"unknown flag {name}{meant}; there are {', '.join(known.values())}, and keys are set as "
                              "KEY=VALUE")  # fmt: skip
        flags.append(argument)
        if name in _WITH_VALUE and not sign:
            value = next(rest, None)
            if value is None:
                raise ConfigError(f"{name} needs a value, such as {name} {'job' if name in ('--cfg', '-c') else 'DIR'}")
            flags.append(value)
    return flags, overrides


def folders_of(flags: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` names.

    Raises:
        UsageError: if there is no such folder.
    """
    folders = [flags[i + 1] for i, flag in enumerate(flags[:-1]) if flag in ("--config-dir", "-cd")]
    folders += [flag.split("=", 1)[1] for flag in flags if flag.startswith("--config-dir=")]
    return existing(folders)


def opened(override: str) -> str:
    """Let an override add a key to an open group: its target's signature decides, not its YAML file.

    ``inner`` is short for the learner inside another: ``inner=NAME`` for the choice (``learner.inner=NAME`` too),
    ``inner.KEY`` for its keys;
    ``teacher=FOLDER`` for the saved learner that teaches.

    Example:
        >>> opened("learner.n_ctx=8"), opened("inner=coop"), opened("teacher=saved"), opened("seed=2")
        ('++learner.n_ctx=8', 'learner@learner.inner=coop', '++learner.teacher.folder=saved', 'seed=2')
    """
    bare = override.lstrip("+")
    if bare.startswith(("inner=", "learner.inner=")):
        return f"learner@learner.{bare.removeprefix('learner.')}"
    if bare.startswith("teacher="):
        return f"++learner.teacher.folder={bare.removeprefix('teacher=')}"
    bare = f"learner.{bare}" if bare.startswith("inner.") else bare
    return f"++{bare}" if bare.startswith(tuple(f"{group}." for group in OPEN_GROUPS)) else override


def without_null(overrides: Sequence[str]) -> list[str]:
    """Overrides without those that choose nothing: ``experiment=null``, ``logger=null``.

    Raises:
        ConfigError: where one has to be chosen.

    Example:
        >>> without_null(["experiment=null", "logger=null", "seed=2"])
        ['logger=none', 'seed=2']
    """
    left = []
    for override in overrides:
        key, _, value = override.partition("=")
        if value.strip().lower() not in ("null", "") or key not in (*OPEN_GROUPS, *_NONE):
            left.append(override)
        elif key not in _NONE:
            raise ConfigError(f"{override}: one is needed; allowed are {', '.join(choices(key))}")
        elif _NONE[key] is not None:
            left.append(f"{key}={_NONE[key]}")
    return left


def lists_of(overrides: Sequence[str], *, sweeps: bool) -> Iterator[list[str]]:
    """Override lists that together hold every value of a sweep: one key at a time, with the first of the others.

    Raises:
        ConfigError: for several values without a sweep, and sweeps that can't be told beforehand.
    """
    parsed = parsed_overrides(overrides)
    deleted = next((override for override in parsed if override.is_delete()), None)
    if deleted is not None:
        raise ConfigError(f"{deleted.input_line}: a key can't be taken away; give it a value, or null")
    for override in parsed:
        _require_choice(override)
    try:
        lists = [_values(override) if sweeps else [override.input_line or ""] for override in parsed]
    except HydraException as error:
        raise ConfigError("a sweep over glob() can't be checked beforehand: give its values as a,b,c") from error
    several = None if sweeps else next((override for override in parsed if override.is_sweep_override()), None)
    if several is not None:
        key, _, value = (several.input_line or "").lstrip("+").partition("=")
        as_text = f", or quote what is one value: {shlex.quote(f'{key}={quoted(value)}')}" if "." in key else ""
        raise ConfigError(f"{key} has several values: add -m for a sweep{as_text}")
    first = [values[0] for values in lists]
    yield first
    for place, values in enumerate(lists):
        for value in values[1:]:
            yield [*first[:place], value, *first[place + 1 :]]


def parsed_overrides(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra reads them.

    Raises:
        ConfigError: for what is no override.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}: an override is KEY=VALUE") from error


def varying(overrides: Sequence[str]) -> dict[str, int]:
    """The keys of a sweep that have several values, and how many.

    Example:
        >>> varying(["++learner.n_ctx=4,8", "shots=2", "seed=range(1,4)"])
        {'learner.n_ctx': 2, 'seed': 3}
    """
    counts = {_key(override): len(_values(override)) for override in parsed_overrides(overrides)}
    return {key: count for key, count in counts.items() if count > 1}


def choices_of(overrides: Sequence[str]) -> list[list[str]]:
    """For each key of a command line the overrides that its values make, of which a sweep takes one at a time.

    Example:
        >>> choices_of(["shots=2", "seed=range(1,3)"])
        [['shots=2'], ['seed=1', 'seed=2']]
    """
    return list({_key(override): _values(override) for override in parsed_overrides(overrides)}.values())


def _require_choice(override: Override) -> None:
    """Refuse what isn't the name of a choice where one is needed; ``experiment`` takes several, in a list."""
    group = override.key_or_group
    if group not in (*OPEN_GROUPS, "experiment") or override.is_sweep_override():
        return
    if not isinstance(override.value(), (str, *((list,) if group == "experiment" else ()))):
        line = (override.input_line or "").lstrip("+")
        raise ConfigError(f"{line}: a name is needed; allowed are {', '.join(choices(group))}")


def _key(override: Override) -> str:
    return (override.input_line or "").partition("=")[0].lstrip("+")


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.input_line.split("=", 1)[0] if override.input_line else override.key_or_group
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
