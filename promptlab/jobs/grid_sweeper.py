"""Hydra's sweeper that goes through a grid that is written down (``hydra/sweeper=grid``, the default)."""

from __future__ import annotations

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from promptlab.jobs.rounds import work_through

_NAME = "hydra_plugins.promptlab.GridSweeper"


class GridSweeper(Sweeper):
    """Runs those of a grid's runs that are left, by whichever launcher is chosen.

    Args:
        max_batch_size: runs that a launcher gets at once, for those that start all they get; None is all.
    """

    def __init__(self, max_batch_size: int | None = None) -> None:
        self.max_batch_size = max_batch_size
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run what is left of the grid in the sweep's folder, whatever the command line says."""
        assert self.config is not None
        assert self.launcher is not None
        work_through(self.config, self.launcher, self.max_batch_size)


def register() -> None:
    """Tell Hydra of the sweeper; safe to repeat.

    Hydra takes plugins whose name begins with ``hydra_plugins``, and looks for that package itself: ours would be one
    of its own beside ``promptlab``.
    """
    Plugins.instance().class_name_to_class[_NAME] = GridSweeper
