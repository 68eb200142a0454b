"""The processes of a sweep: they end with it, and one that is killed doesn't end it in a traceback."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from promptlab.jobs.gpus import named_gpus, take_gpu
from promptlab.support.errors import PromptlabError
from promptlab.support.files import sweep_leftovers
from promptlab.support.machine import usable_cpus
from promptlab.support.words import first_line

_LOOK_SECONDS = 1.0
_SWEEP = "PROMPTLAB_SWEEP_PROCESS"
"""Number of the sweep's process, for those that it starts through others."""
_RAY_OFF = ("RAY_DEDUP_LOGS", "RAY_ENABLE_UV_RUN_RUNTIME_ENV", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "RAY_COLOR_PREFIX",
            "RAY_USAGE_STATS_ENABLED")  # fmt: skip
"""Of Ray's: lines that look alike left out, `uv run` repeated with a copy of the folder in each worker, GPUs hidden
from runs that asked for none (it warns of it), coloured lines in files, a report to its makers."""


class LostWorkerError(PromptlabError, RuntimeError):
    """A process of a sweep was killed, and joblib has ended the others."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the sweep was killed, perhaps for want of memory, and those beside it ended with it: the "
            "same command goes on where they stood; hydra.launcher.n_jobs says how many run at once"
        )


class LauncherError(PromptlabError, RuntimeError):
    """A launcher gave up for a reason of its own: a cluster that isn't there, a scheduler that refuses, a timeout."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(f"the launcher gave up: {first_line(reason)}. The same command goes on where the sweep stood")


def is_of_launcher(error: Exception) -> bool:
    """Whether an error was raised inside the package that a launcher hands runs to.

    Args:
        error: as it was caught.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    module = str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""
    return module.split(".")[0] in ("ray", "submitit", "joblib")


class Workers(Callback):
    """Hydra's callback: what has to happen before a sweep starts processes of its own.

    Args:
        as_json: the answer of the sweep is one JSON document, so lines go to the error stream; its jobs read it.
        run: of a job, its number in the grid.
        wait: of a job, whether it waits for a run that is at work elsewhere.
    """

    def __init__(self, as_json: bool = False, run: int | None = None, wait: bool = False) -> None:
        self.as_json, self.run, self.wait = as_json, run, wait

    _given: Sequence[str] = ()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Let joblib's processes end with this one, and tidy up after sweeps that were killed."""
        for notes in Path(config.hydra.sweep.dir).parent.glob("*/runs"):
            sweep_leftovers(notes)
        os.environ.pop(_SWEEP, None)  # of a sweep that this one is a job of
        given = _environment(config)
        self._given = [name for name in given if name not in os.environ]
        os.environ.update({name: given[name] for name in self._given})
        if "joblib" in str(config.hydra.launcher._target_):
            _register_backend()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Take back what only the workers had to know."""
        for name in self._given:
            os.environ.pop(name, None)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In a worker: work where the sweep was started, on a GPU of its own, and end with the sweep."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        os.chdir(config.hydra.runtime.cwd)
        if _starts_processes(config):
            take_gpu(config.hydra.job.num)
        if "LocalLauncher" in str(config.hydra.launcher._target_):
            end_when(lambda: not is_there(int(os.environ[_SWEEP])), "the sweep")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Let go of a run's configurations, which Hydra would hold until the last run of a sweep has ended."""
        job_return.cfg = job_return.hydra_cfg = None


def _environment(config: DictConfig) -> dict[str, str]:
    """What the workers of a launcher find in their environment, unless the user has set it."""
    target, given = str(config.hydra.launcher._target_), {_SWEEP: str(os.getpid())}
    if _starts_processes(config):
        given |= named_gpus()
    if "LocalLauncher" in target:
        at_once = OmegaConf.select(config, "hydra.sweeper.max_batch_size") or usable_cpus()
        given["OMP_NUM_THREADS"] = str(max(1, usable_cpus() // at_once))
    if "RayLauncher" in target:
        given |= dict.fromkeys(_RAY_OFF, "0")
    return given


def _starts_processes(config: DictConfig) -> bool:
    """Whether the launcher leaves it to us which GPU a process works on; Ray and Slurm share them out themselves."""
    return any(name in str(config.hydra.launcher._target_) for name in ("joblib", "LocalLauncher"))


def end_with(parent: int, end: Callable[[int], Any] = os._exit) -> None:
    """Watch the process that started this one, and end at once when it is gone, however it ended.

    Args:
        parent: its number.
        end: what is called then, with the exit status.
    """
    end_when(lambda: os.getppid() != parent, str(parent), end)


def end_when(gone: Callable[[], bool], what: str, end: Callable[[int], Any] = os._exit) -> None:
    """End this process as soon as something is gone.

    Args:
        gone: whether it is.
        what: it is, for the name of the thread that watches.
        end: what is called then, with the exit status.
    """

    def watch() -> None:
        while not gone():
            time.sleep(_LOOK_SECONDS)
        end(1)

    threading.Thread(target=watch, name=f"end with {what}", daemon=True).start()


def is_there(process: int) -> bool:
    """Whether a process of this machine and user goes on.

    Example:
        >>> is_there(os.getpid())
        True
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _register_backend() -> None:
    """Replace joblib's way to start processes by one whose processes watch this one from their first moment on.

    A job is too late for that: a process that waits for its first one never hears that there will be none.
    """
    from joblib import register_parallel_backend  # type: ignore[import-untyped]
    from joblib._parallel_backends import LokyBackend  # type: ignore[import-untyped]

    class Ending(LokyBackend):  # type: ignore[misc]
        def configure(self, *args: Any, **kwargs: Any) -> Any:
            return super().configure(*args, **kwargs, initializer=end_with, initargs=(os.getpid(),))

    register_parallel_backend("loky", Ending)
