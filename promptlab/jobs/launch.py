"""``promptlab [run]``: check every choice, then run or sweep under Hydra."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.logging import RichHandler

from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.explain import explain
from promptlab.config.overrides import folders_of, lists_of, opened, split_flags
from promptlab.config.settings import ConfigError
from promptlab.jobs.sweep import SweepTable
from promptlab.jobs.workers import LostWorkerError
from promptlab.support.errors import is_expected
from promptlab.support.paths import conf_dir

_SHOWS_ONLY = ("--cfg", "-c", "--info", "-i", "--hydra-help")
"""Flags of Hydra's that show something and run nothing."""


def launch(arguments: Sequence[str]) -> int:
    """Run an experiment or a sweep.

    Returns:
        0, or 1 if runs of a sweep failed.

    Raises:
        ConfigError: for a configuration that can't be run, before anything is loaded.
        PromptlabError: what a single run raises; besides, built-in errors with a message for the user.
    """
    _log_to_console()
    flags, overrides = split_flags(arguments)
    overrides = [opened(override) for override in overrides]
    if not any(flag.split("=", 1)[0] in _SHOWS_ONLY for flag in flags):
        _check_all(flags, overrides)
    return _under_hydra([*flags, *overrides])


def _check_all(flags: Sequence[str], overrides: Sequence[str]) -> None:
    """Compose and check every choice before anything is loaded.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    sweeps = any(flag in ("-m", "--multirun") for flag in flags)
    folders = folders_of(flags)
    for choice in lists_of(overrides, sweeps=sweeps):
        settings = check(composed(choice, folders), folders)
        if sweeps and settings.trainer.get("devices", 1) != 1:
            raise ConfigError("trainer.devices must be 1 in a sweep (-m): run several jobs at once instead, "
                              "with hydra/launcher=joblib")  # fmt: skip


def _under_hydra(arguments: Sequence[str]) -> int:
    """Hand over to Hydra, whose errors come here whole instead of being printed."""
    GlobalHydra.instance().clear()
    SweepTable.failed = 0
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["promptlab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    except BrokenProcessPool as error:
        raise LostWorkerError from error
    finally:
        sys.argv = before[0]
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if before[1] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
    return 1 if SweepTable.failed else 0


def _job(cfg: DictConfig) -> str | None:
    """One run, under Hydra; its answer is the folder of its Result, None for a failed run of a sweep."""
    from promptlab.report.table import run_table
    from promptlab.runs.run import run

    console = Console()
    job, sweep = HydraConfig.get().job, HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        outcome = run(check(cfg))
    except Exception as error:
        if not sweep or not is_expected(error):
            raise
        console.print(f"{job.num + 1:3d}  failed: {error}", soft_wrap=True, markup=False)
        return None
    state = "" if outcome.fresh else "finished already (force=true repeats it): "
    if sweep:
        console.print(f"{job.num + 1:3d}  {job.override_dirname}  {state}{outcome.folder}", soft_wrap=True)
        return str(outcome.folder.absolute())
    console.print(run_table(outcome.result))
    console.print(f"{state}result in {outcome.folder}", soft_wrap=True)
    console.print("next: promptlab -m seed=1,2,3 for an interval; promptlab list learners; promptlab --help")
    return str(outcome.folder.absolute())


def _log_to_console() -> None:
    logging.getLogger("hydra").addHandler(logging.NullHandler())  # what it reports as an error is raised as well
    logger = logging.getLogger("promptlab")
    if not logger.handlers:
        level = os.environ.get("PROMPTLAB_LOG", "WARNING").upper()
        logger.setLevel(level)
        logger.addHandler(RichHandler(console=Console(stderr=True), show_path=False, show_time=False))
