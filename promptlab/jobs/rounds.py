"""Going through what is left of a grid, round after round, whatever becomes of single runs and their processes.

Every round hands what is left to Hydra's launcher. A run that is at work elsewhere is left for the next round, and
waited for once nothing else is left. Where a launcher gives up because one of its processes was killed, the runs that
were at work are tried again, together twice and then one by one; the one that ends its process alone has failed.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from pathlib import Path

from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from promptlab.jobs.grid import Grid, read_grid
from promptlab.jobs.lines import say_failed
from promptlab.jobs.notes import forget_dead, parent_sign, sign_path, stamp, write_note
from promptlab.jobs.status import look
from promptlab.jobs.told import told_of
from promptlab.support.at_work import at_work, is_alive, read_sign
from promptlab.support.console import say
from promptlab.support.errors import PromptlabError
from promptlab.support.words import counted

log = logging.getLogger(__name__)
TOGETHER = 2
"""How often a run is tried beside others that its process may have taken along."""
IN_VAIN = 2
"""How often in a row processes may be killed before any of them has begun a run."""
KILLED = "the process that computed it was killed, perhaps for want of memory"
Launch = Callable[[Sequence[int], bool], None]
"""To be called with the numbers of runs, and whether they wait for what is at work elsewhere."""


def work_through(config: DictConfig, launcher: Launcher, at_once: int | None = None) -> None:
    """Run what is left of a sweep.

    Args:
        config: Hydra's, of the sweep.
        launcher: which runs jobs.
        at_once: runs that it gets at once; None is all.
    """
    folder = Path(config.hydra.sweep.dir)
    grid = read_grid(folder)
    assert grid.runs is not None
    runs = grid.runs

    def launch(numbers: Sequence[int], wait: bool) -> None:
        own = "hydra.callbacks.workers"
        jobs = [[*runs[n].overrides, f"{own}.run={n}", f"{own}.wait={str(wait).lower()}"] for n in numbers]
        size = at_once or len(jobs)
        with told_of(folder, grid, numbers, as_json=as_json) if is_silent else nullcontext():
            for start in range(0, len(jobs), size):
                for returned in launcher.launch(jobs[start : start + size], initial_job_idx=start):
                    _ = returned.return_value  # raises what was no run's own affair

    as_json, is_silent = bool(config.hydra.callbacks.workers.as_json), "submitit" in str(config.hydra.launcher._target_)
    rounds = Rounds(folder, grid, launch, as_json=as_json)
    forget_dead(folder)
    with at_work(parent_sign(folder)):
        rounds.go(left_of(folder))


def left_of(folder: Path) -> list[int]:
    """Numbers of the runs that a sweep has to make, or to find made by others: only a run sees what its images are."""
    return [run.number for run in look(folder).runs if run.state != "done" or run.found]


class Rounds:
    """The rounds of one process that works on a sweep.

    Args:
        folder: the sweep's.
        grid: what is in it.
        launch: runs some of it.
        as_json: whether lines go to the error stream.
    """

    def __init__(self, folder: Path, grid: Grid, launch: Launch, *, as_json: bool) -> None:
        self.folder, self.grid, self.launch, self.as_json = folder, grid, launch, as_json
        self._killed: Counter[int] = Counter()
        self._before: dict[int, int] = {}
        self._in_vain = 0

    def go(self, left: Sequence[int]) -> None:
        """Go on until every one of the runs has ended, whoever computed it.

        Args:
            left: their numbers.
        """
        self._before = {number: stamp(self.folder, number) for number in left}
        wait = False
        while left:
            batch = [number for number in left if self._killed[number] < TOGETHER] or left[:1]
            lost = self._try(batch, wait)
            still = [number for number in left if not self._has_ended(number)]
            if len(still) == len(left) and wait and not lost:
                return  # what it is about was said, and no further round would change it
            wait, left = len(still) == len(left) and not lost, still

    def _try(self, batch: Sequence[int], wait: bool) -> bool:
        """Launch some runs; whether a process was lost, and what it worked on is to be tried again."""
        began, before = time.time(), self._ended(batch)
        try:
            self.launch(batch, wait)
        except (PromptlabError, HydraException, OmegaConfBaseException):
            raise
        except Exception as error:  # whatever a launcher makes of a process that is gone
            flying = [number for number in batch if self._was_lost(number, began)]
            self._in_vain = 0 if flying or self._ended(batch) != before else self._in_vain + 1
            if self._in_vain > (IN_VAIN if isinstance(error, BrokenExecutor) else 0):
                raise
            log.debug("the launcher gave up", exc_info=error)
            self._count(flying, alone=len(batch) == 1)
            return True
        return False

    def _count(self, flying: Sequence[int], *, alone: bool) -> None:
        """Note for each run how often its process was killed; one that was alone in it has failed."""
        assert self.grid.runs is not None
        for number in flying:
            self._killed[number] += 1
            if alone and self._killed[number] > TOGETHER:
                shown = self.grid.runs[number].shown
                write_note(self.folder, number, {"overrides": list(shown), "error": KILLED, "traceback": ""})
                say_failed(self.grid, number, shown, KILLED, as_json=self.as_json)
        if flying and not all(map(self._has_ended, flying)):
            say(f"a process of the sweep was killed, perhaps for want of memory: {counted(len(flying), 'run')} that "
                "may have been in it begin again, the others go on", stderr=True)  # fmt: skip

    def _was_lost(self, number: int, began: float) -> bool:
        """Whether a run was at work in this round, and as far as can be told no longer is."""
        path = sign_path(self.folder, number)
        sign = read_sign(path)
        if sign is None or sign.since < began or self._has_ended(number):
            return False
        return not is_alive(path) or not sign.is_near

    def _ended(self, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if self._has_ended(number)]

    def _has_ended(self, number: int) -> bool:
        return stamp(self.folder, number) != self._before[number]
