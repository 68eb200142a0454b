"""Trackio as a logger of Lightning's, which has none for it: metrics in a local database, without an account."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from promptlab.support.extras import extra


class TrackioLogger(Logger):
    """Logs one run.

    Args:
        save_dir: folder of the databases, one a project. Trackio reads it once in a process: the first one stays.
        project: what runs are shown together.
        name: of the run.

    Example:
        >>> TrackioLogger("results/trackio", name="coop, seed 1").version
        'coop, seed 1'
    """

    def __init__(self, save_dir: str | Path, project: str = "promptlab", name: str | None = None) -> None:
        super().__init__()
        self._folder, self._project, self._run_name = Path(save_dir), project, name
        self._settings: dict[str, Any] = {}
        self._run: Any = None

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str | None:
        """The run's name."""
        return self._run_name

    @property
    def save_dir(self) -> str:
        """The folder of the databases."""
        return str(self._folder)

    @property
    def experiment(self) -> Any:
        """Trackio's run, begun when it is first asked for."""
        if self._run is None:
            os.environ.setdefault("TRACKIO_DIR", str(self._folder.absolute()))
            with extra("trackio", "logger=trackio"), redirect_stdout(io.StringIO()):  # it says where its data go
                off = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
                trackio = import_module("trackio")
                self._run = trackio.init(project=self._project, name=self._run_name, config=self._settings, **off)
        return self._run

    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keep the settings for the run's beginning: Trackio takes them once."""
        self._settings |= vars(params) if isinstance(params, Namespace) else params

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand over the values of a step."""
        self.experiment.log(dict(metrics), step=step)

    def finish(self) -> None:
        """End the run, and wait until all of it is written."""
        with redirect_stdout(io.StringIO()):
            import_module("trackio").finish()
