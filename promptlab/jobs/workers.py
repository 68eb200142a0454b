"""The processes of a sweep under joblib: they end with it, and one that is killed doesn't end it in a traceback."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from promptlab.support.errors import PromptlabError
from promptlab.support.files import sweep_leftovers

_LOOK_SECONDS = 1.0


class LostWorkerError(PromptlabError, RuntimeError):
    """A process of a sweep was killed, and joblib has ended the others."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the sweep was killed, perhaps for want of memory, and those beside it ended with it: the "
            "same command goes on where they stood; hydra.launcher.n_jobs says how many run at once"
        )


class Workers(Callback):
    """Hydra's callback: what has to happen before a sweep starts processes of its own.

    Args:
        as_json: the answer of the sweep is one JSON document, so lines go to the error stream; its jobs read it.
        run: of a job, its number in the grid.
        wait: of a job, whether it waits for a run that is at work elsewhere.
    """

    def __init__(self, as_json: bool = False, run: int | None = None, wait: bool = False) -> None:
        self.as_json, self.run, self.wait = as_json, run, wait

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Let joblib's processes end with this one, and tidy up after sweeps that were killed."""
        for notes in Path(config.hydra.sweep.dir).parent.glob("*/runs"):
            sweep_leftovers(notes)
        if "joblib" in str(config.hydra.launcher._target_):
            _register_backend()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Let go of a run's configurations, which Hydra would hold until the last run of a sweep has ended."""
        job_return.cfg = job_return.hydra_cfg = None


def end_with(parent: int, end: Callable[[int], Any] = os._exit) -> None:
    """Watch the process that started this one, and end at once when it is gone, however it ended.

    Args:
        parent: its number.
        end: what is called then, with the exit status.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        end(1)

    threading.Thread(target=watch, name=f"end with {parent}", daemon=True).start()


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
