"""``promptlab [run]``: check every choice, then run or sweep under Hydra."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.logging import RichHandler

from promptlab.config.compose import composed, composed_all, composed_to_run, resolved, without_hydra
from promptlab.config.groups import taken_by
from promptlab.config.keys import check_keys, optional_keys, require_known, without_untaken
from promptlab.config.launchers import batches, require_launcher
from promptlab.config.overrides import (
    SKIP_MISSING,
    folders_of,
    lists_of,
    opened,
    parsed_overrides,
    split_flags,
    without_null,
)
from promptlab.config.quoting import quoted, readable
from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import ConfigError, Settings, refuse_values
from promptlab.config.studies import expanded, named_study
from promptlab.jobs import under_hydra
from promptlab.jobs.disk import naming_folders, taken_back
from promptlab.support.console import console, say
from promptlab.support.paths import conf_dir

_SHOWS_ONLY = ("--cfg", "-c", "--info", "-i", "--hydra-help")
"""Flags that show something and run nothing."""
_RESOLVED = {"--cfg", "job", "--resolve"}
"""What Hydra itself refuses where a table's entries are lists (``protocol.targets``)."""


def launch(arguments: Sequence[str], *, as_json: bool = False, into: Path | None = None) -> int:
    """Run an experiment or a sweep.

    Args:
        arguments: flags and overrides.
        as_json: print one JSON document in place of tables.
        into: the folder of a sweep of the same arguments, to go on with it; a new one if None.

    Returns:
        0, or 1 if runs of a sweep failed.

    Raises:
        ConfigError: for a configuration that can't be run, before anything is loaded.
        PromptlabError: what a single run raises; besides, built-in errors with a message for the user.
    """
    _log_to_console()
    flags, words = split_flags(arguments)
    sweeps, folders = any(flag in ("-m", "--multirun") for flag in flags), folders_of(flags)
    shows = next((flag for flag in flags if flag.split("=", 1)[0] in _SHOWS_ONLY), None)
    if sweeps and shows is not None:
        raise ConfigError(f"{shows} shows the configuration of one run: leave out -m, and give each key one value")
    words = without_null(expanded(words, folders, sweeps=sweeps))
    overrides = [readable(opened(word), folders, sweeps=sweeps) for word in words]
    if set(flags) >= _RESOLVED:
        plain = resolved(composed(next(lists_of(overrides, sweeps=sweeps)), folders))
        say(OmegaConf.to_yaml(OmegaConf.create(plain)), end="")
        return 0
    if shows is not None:
        under_hydra.show([*flags, *overrides])
        return 0
    optional = _optional(overrides, folders) if sweeps else []
    if SKIP_MISSING in flags:
        flags.remove(SKIP_MISSING)
        overrides = _without_missing(overrides, folders, sweeps=sweeps)
    _require_known_keys(overrides, folders)
    require_launcher(overrides, folders)
    if not sweeps:
        _run(overrides, folders, arguments, as_json=as_json)
        return 0
    made: dict[tuple[str, ...], DictConfig] = {}
    every = composed_all(lists_of(overrides, sweeps=True), folders, made)
    results = str(_check_all([without_untaken(cfg, optional) for cfg in every], folders)[0].results)
    with naming_folders(results), taken_back(results):  # Hydra makes them
        from promptlab.jobs.plan import begin

        folder = into or begin(arguments, flags, overrides, optional, folders, results, made)
        status = _sweep(folder, folders, overrides, as_json=as_json)
    if named_study(arguments) and not as_json:
        say(f"next: {shlex.join(['promptlab', 'report', results, '--html', 'report.html'])}")
    return status


def _optional(overrides: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Keys that some choices of a sweep take and others don't; which those are is said."""
    values = {override.split("=")[0].lstrip("+"): override.partition("=")[2] for override in overrides}
    chosen = {group: values[group].split(",") for group in OPEN_GROUPS if "," in values.get(group, "")}
    found = optional_keys(list(values), chosen, folders)
    for key in found:
        group, _, rest = key.partition(".")
        having = taken_by(group, rest.split("."), folders)
        lack = [name for name in chosen[group] if name not in having]
        has = [name for name in chosen[group] if name in having]
        say(f"{key}={values[key]}: {', '.join(has)} {'takes' if len(has) == 1 else 'take'} it; {', '.join(lack)} "
            f"{'has' if len(lack) == 1 else 'have'} no such key and {'runs' if len(lack) == 1 else 'run'} without it",
            stderr=True)  # fmt: skip
    return found


def _without_missing(overrides: Sequence[str], folders: Sequence[Path], *, sweeps: bool) -> list[str]:
    """The overrides of a sweep without datasets that aren't there."""
    if not sweeps:
        raise ConfigError(f"{SKIP_MISSING} leaves datasets out of a sweep: add -m")
    _require_known_keys(overrides, folders)
    from promptlab.jobs.missing import without_missing

    return without_missing(overrides, folders)


def _run(overrides: Sequence[str], folders: Sequence[Path], command: Sequence[str], *, as_json: bool) -> None:
    """Check one configuration, and run it."""
    (words,) = lists_of(overrides, sweeps=False)
    to_run = composed_to_run([*words, "hydra.mode=RUN"], folders)
    (settings,) = _check_all([without_hydra(to_run.copy())], folders)
    with naming_folders(settings.results), taken_back(settings.results):  # Hydra makes them
        from promptlab.jobs.job import run_alone

        under_hydra.run_once(to_run, partial(run_alone, settings, command, as_json=as_json))


def _check_all(configurations: Sequence[DictConfig], folders: Sequence[Path]) -> list[Settings]:
    """Check every choice before anything is loaded: first what needs no import of torch.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    for cfg in configurations:
        check_keys(_plain(cfg), folders)
        refuse_values({key: value for key, value in resolved(cfg).items() if key not in OPEN_GROUPS})
    from promptlab.config.check import check

    settings = [check(cfg, folders) for cfg in configurations]
    from promptlab.jobs.missing import require_datasets

    require_datasets(settings)
    return settings


def _require_known_keys(overrides: Sequence[str], folders: Sequence[Path]) -> None:
    """Refuse keys that aren't the configuration's, with the closest of what the others compose.

    Raises:
        ConfigError: naming the key.
    """
    keys = {override.key_or_group: override.input_line for override in parsed_overrides(overrides)}
    chosen = [line for key, line in keys.items() if line and "," not in line and (conf_dir() / key).is_dir()]
    nodes: Mapping[str, Any] | None = None
    for key in keys:
        try:
            require_known(key, nodes or {}, folders)
        except ConfigError:
            nodes = _plain(composed(chosen, folders))
            require_known(key, nodes, folders)


def _plain(cfg: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(cfg)
    return dict(plain)


def _sweep(folder: Path, folders: Sequence[Path], overrides: Sequence[str], *, as_json: bool) -> int:
    """Run what is left of a sweep, and show what of it is done, however it ends."""
    from promptlab.jobs.job import run_in_sweep
    from promptlab.jobs.sweep import show_sweep

    own = [
        f"hydra.sweep.dir={quoted(str(folder.absolute()))}",
        f"hydra.callbacks.workers.as_json={str(as_json).lower()}",
    ]
    try:
        under_hydra.sweep([*overrides, *batches(overrides), *own], folders, run_in_sweep)
    except BaseException:
        show_sweep(folder, as_json=as_json)
        raise
    return 1 if show_sweep(folder, as_json=as_json) else 0


def _log_to_console() -> None:
    logging.getLogger("hydra").addHandler(logging.NullHandler())  # what it reports as an error is raised as well
    logger = logging.getLogger("promptlab")
    logger.setLevel(os.environ.get("PROMPTLAB_LOG", "").upper() or "WARNING")
    if not logger.handlers:
        logger.addHandler(RichHandler(console=console(stderr=True), show_path=False, show_time=False))
