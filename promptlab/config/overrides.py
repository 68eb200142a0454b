"""The words of a command line: flags, overrides, and the values that a sweep goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import ConfigError

_WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--cfg", "-c", "--package", "-p")


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags (with their values) and overrides apart, so that ``-m`` may stand anywhere.

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
        flags.append(argument)
        if argument in _WITH_VALUE:
            flags += [value for value in [next(rest, None)] if value is not None]
    return flags, overrides


def folders_of(flags: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` names.

    Raises:
        ConfigError: if there is no such folder.
    """
    folders = [flags[i + 1] for i, flag in enumerate(flags[:-1]) if flag in ("--config-dir", "-cd")]
    folders += [flag.split("=", 1)[1] for flag in flags if flag.startswith("--config-dir=")]
    missing = [folder for folder in folders if not Path(folder).is_dir()]
    if missing:
        raise ConfigError(f"--config-dir {missing[0]}: there is no such folder")
    return [Path(folder) for folder in folders]


def opened(override: str) -> str:
    """Let an override add a key to an open group: its target's signature decides, not its YAML file.

    ``inner`` is short for the learner inside another: ``inner=NAME`` for the choice, ``inner.KEY`` for its keys.

    Example:
        >>> opened("learner.n_ctx=8"), opened("inner=coop"), opened("seed=2")
        ('++learner.n_ctx=8', 'learner@learner.inner=coop', 'seed=2')
    """
    bare = override.lstrip("+")
    if bare.startswith("inner="):
        return f"learner@learner.{bare}"
    bare = f"learner.{bare}" if bare.startswith("inner.") else bare
    return f"++{bare}" if bare.startswith(tuple(f"{group}." for group in OPEN_GROUPS)) else override


def lists_of(overrides: Sequence[str], *, sweeps: bool) -> Iterator[list[str]]:
    """Override lists that together hold every value of a sweep: one key at a time, with the first of the others.

    Raises:
        ConfigError: for what is no override, several values without a sweep, and sweeps that can't be told beforehand.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}: an override is KEY=VALUE") from error
    try:
        lists = [_values(override) if sweeps else [override.input_line or ""] for override in parsed]
    except HydraException as error:
        raise ConfigError("a sweep over glob() can't be checked beforehand: give its values as a,b,c") from error
    if not sweeps and any(override.is_sweep_override() for override in parsed):
        named = next(override.key_or_group for override in parsed if override.is_sweep_override())
        raise ConfigError(f"{named} has several values: add -m for a sweep")
    first = [values[0] for values in lists]
    yield first
    for place, values in enumerate(lists):
        for value in values[1:]:
            yield [*first[:place], value, *first[place + 1 :]]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.input_line.split("=", 1)[0] if override.input_line else override.key_or_group
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
