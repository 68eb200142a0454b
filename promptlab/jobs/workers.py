"""The processes of a sweep under joblib: they end with it, and one that is killed doesn't end it in a traceback."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from promptlab.support.errors import PromptlabError
from promptlab.support.files import sweep_leftovers

_SWEEP = "PROMPTLAB_SWEEP_PROCESS"
"""Environment variable: the process that a sweep was started in, for those that it starts."""
_LOOK_SECONDS = 1.0


class LostWorkerError(PromptlabError, RuntimeError):
    """A process of a sweep was killed, and joblib has ended the others."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the sweep was killed, perhaps for want of memory, and those beside it ended with it: the "
            "same command goes on where they stood; hydra.launcher.n_jobs says how many run at once"
        )


class Workers(Callback):
    """Hydra's callback: what has to happen in the sweep's own process, and in those that it starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In the sweep's own process: say who it is, and tidy up after sweeps that were killed."""
        os.environ[_SWEEP] = str(os.getpid())
        for notes in Path(config.hydra.sweep.dir).parent.glob("*/runs"):
            sweep_leftovers(notes)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In a process that the sweep started: end with it."""
        if os.environ.get(_SWEEP) == str(os.getppid()):
            end_with(os.getppid())


def end_with(parent: int, end: Callable[[int], Any] = os._exit) -> None:
    """Watch the process that started this one, and end at once when it is gone, however it ended.

    Args:
        parent: its number.
        end: what is called then, with the exit status.
    """
    name = f"end with {parent}"
    if name in (thread.name for thread in threading.enumerate()):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        end(1)

    threading.Thread(target=watch, name=name, daemon=True).start()
