"""What is left to Hydra: to show a configuration, to run a composed one, and to sweep.

A run alone is handed the configuration that was checked: ``hydra.main`` would compose it twice more, once to see
whether it is a sweep. What Hydra does around a run (folder, environment, logging, callbacks) happens all the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra._internal.callbacks import Callbacks  # what Hydra itself and its launchers call them through
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import run_job
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from promptlab.config.compose import ROOT, configurations, searching
from promptlab.config.explain import explain
from promptlab.config.settings import ConfigError
from promptlab.jobs.grid_sweeper import register as register_grid_sweeper
from promptlab.jobs.workers import LauncherError, LostWorkerError, is_of_launcher
from promptlab.support.paths import conf_dir


def show(arguments: Sequence[str]) -> None:
    """Print what a flag such as ``--cfg`` asks for.

    Args:
        arguments: flags and overrides.

    Raises:
        ConfigError: for a configuration that can't be composed.
    """
    register_grid_sweeper()
    GlobalHydra.instance().clear()
    with _explained(), _command(arguments):
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=ROOT)(_nothing)()


def run_once(cfg: DictConfig, run: Callable[[], None]) -> None:
    """Run in a job of Hydra's.

    Args:
        cfg: a configuration with Hydra's own node, composed for one run.
        run: what the job is.

    Raises:
        Exception: what it raises.
    """
    raised: list[Exception] = []

    def job(_: DictConfig) -> None:
        try:
            run()
        except Exception as error:  # Hydra would print its overrides first
            raised.append(error)

    with _explained(), configurations():
        callbacks = Callbacks(cfg)
        callbacks.on_run_start(config=cfg, config_name=ROOT)
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        returned = run_job(job, cfg, job_dir_key="hydra.run.dir", job_subdir_key=None, hydra_context=context)
        callbacks.on_run_end(config=cfg, config_name=ROOT, job_return=returned)
    if raised:
        raise raised[0]


def sweep(overrides: Sequence[str], folders: Sequence[Path], job: Callable[[DictConfig], None]) -> None:
    """Run a sweep, by the sweeper and the launcher that the overrides choose.

    Args:
        overrides: in Hydra's grammar.
        folders: configuration folders besides promptlab's own.
        job: one run, given its configuration; other processes import it.

    Raises:
        LauncherError: if the launcher gives up; LostWorkerError, if one of its processes was killed.
    """
    register_grid_sweeper()
    with _explained(), configurations() as hydra:
        hydra.multirun(ROOT, job, [*overrides, *searching(folders), "hydra.mode=MULTIRUN"])


def _nothing(_: DictConfig) -> None:
    """Hydra's main wants something to run."""


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of Hydra and of launchers in promptlab's words."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    except BrokenProcessPool as error:
        raise LostWorkerError from error
    except Exception as error:
        if is_of_launcher(error):
            raise LauncherError(error) from error
        raise


@contextmanager
def _command(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra's main reads the process's own arguments, and prints errors unless told to raise them."""
    argv, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["promptlab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if full is not None:
            os.environ["HYDRA_FULL_ERROR"] = full
