"""``promptlab [run]``: check every choice, then run or sweep under Hydra."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.logging import RichHandler

from promptlab.config.compose import composed, composed_all, resolved
from promptlab.config.explain import explain
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
from promptlab.config.settings import ConfigError, refuse_values
from promptlab.config.studies import expanded, named_study
from promptlab.jobs.disk import naming_folders, taken_back
from promptlab.jobs.grid_sweeper import register as register_grid_sweeper
from promptlab.jobs.workers import LauncherError, LostWorkerError, is_of_launcher
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
    words = without_null(expanded(words, folders, sweeps=sweeps))
    overrides = [readable(opened(word), folders, sweeps=sweeps) for word in words]
    if set(flags) >= _RESOLVED:
        plain = resolved(composed(next(lists_of(overrides, sweeps=sweeps)), folders))
        say(OmegaConf.to_yaml(OmegaConf.create(plain)), end="")
        return 0
    if any(flag.split("=", 1)[0] in _SHOWS_ONLY for flag in flags):
        _under_hydra([*flags, *overrides], arguments, as_json=as_json)
        return 0
    optional = _optional(overrides, folders) if sweeps else []
    if SKIP_MISSING in flags:
        flags.remove(SKIP_MISSING)
        overrides = _without_missing(overrides, folders, sweeps=sweeps)
    results = _check_all(overrides, folders, optional, sweeps=sweeps)
    with naming_folders(results), taken_back(results):  # Hydra makes them
        if sweeps:
            from promptlab.jobs.plan import begin

            folder = into or begin(arguments, flags, overrides, optional, folders, results)
            status = _sweep(folder, flags, overrides, as_json=as_json)
            if named_study(arguments) and not as_json:
                say(f"next: {shlex.join(['promptlab', 'report', results, '--html', 'report.html'])}")
            return status
        _under_hydra([*flags, *overrides], arguments, as_json=as_json)
    return 0


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


def _check_all(overrides: Sequence[str], folders: Sequence[Path], optional: Sequence[str], *, sweeps: bool) -> str:
    """Compose and check every choice before anything is loaded: first what needs no import of torch.

    Returns:
        The folder that results go to.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    _require_known_keys(overrides, folders)
    require_launcher(overrides, folders)
    every = composed_all(lists_of(overrides, sweeps=sweeps), folders)
    configurations = [without_untaken(cfg, optional) for cfg in every]
    for cfg in configurations:
        check_keys(_plain(cfg), folders)
        refuse_values({key: value for key, value in resolved(cfg).items() if key not in OPEN_GROUPS})
    from promptlab.config.check import check

    settings = [check(cfg, folders) for cfg in configurations]
    from promptlab.jobs.missing import require_datasets

    require_datasets(settings)
    return str(settings[0].results)


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


def _sweep(folder: Path, flags: Sequence[str], overrides: Sequence[str], *, as_json: bool) -> int:
    """Run what is left of a sweep, and show what of it is done, however it ends."""
    from promptlab.jobs.sweep import show_sweep

    own = [
        f"hydra.sweep.dir={quoted(str(folder.absolute()))}",
        f"hydra.callbacks.workers.as_json={str(as_json).lower()}",
    ]
    try:
        _under_hydra([*flags, *overrides, *batches(overrides), *own], (), as_json=as_json)
    except BaseException:
        show_sweep(folder, as_json=as_json)
        raise
    return 1 if show_sweep(folder, as_json=as_json) else 0


def _under_hydra(arguments: Sequence[str], command: Sequence[str], *, as_json: bool) -> None:
    """Hand over to Hydra, whose errors come here whole instead of being printed, and a run's own around it."""
    raised: list[Exception] = []

    def job(cfg: DictConfig) -> None:
        from promptlab.jobs.job import run_alone, run_in_sweep

        if HydraConfig.get().mode == RunMode.MULTIRUN:
            run_in_sweep(cfg)
            return
        try:
            run_alone(cfg, command, as_json=as_json)
        except Exception as error:  # Hydra would print its overrides first
            raised.append(error)

    register_grid_sweeper()
    GlobalHydra.instance().clear()
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["promptlab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    except BrokenProcessPool as error:
        raise LostWorkerError from error
    except Exception as error:
        if is_of_launcher(error):
            raise LauncherError(error) from error
        raise
    finally:
        sys.argv = before[0]
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if before[1] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
    if raised:
        raise raised[0]


def _log_to_console() -> None:
    logging.getLogger("hydra").addHandler(logging.NullHandler())  # what it reports as an error is raised as well
    logger = logging.getLogger("promptlab")
    logger.setLevel(os.environ.get("PROMPTLAB_LOG", "").upper() or "WARNING")
    if not logger.handlers:
        logger.addHandler(RichHandler(console=console(stderr=True), show_path=False, show_time=False))
