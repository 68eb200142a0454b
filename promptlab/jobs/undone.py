"""What the sweeps below some folders have left undone, for a report."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from promptlab.jobs.found import Found
from promptlab.jobs.grid import GRID_NAME, GridError
from promptlab.jobs.status import RunStatus, SweepStatus, SweepWatcher
from promptlab.report.undone import UndoneRun, UndoneSweep
from promptlab.results.document import Result

_logger = logging.getLogger(__name__)


def undone_sweeps(roots: Iterable[str | Path], results: Sequence[Result]) -> list[UndoneSweep]:
    """Sweeps that have runs without a Result, the last one first; a run that several sweeps have is of the last.

    A sweep that can't be read is skipped, with a warning that names it.

    Args:
        roots: folders of Results.
        results: those below them that were read already.

    Example:
        >>> undone_sweeps(["a/folder/without/sweeps"], [])
        []
    """
    grids = {path.resolve(): path.parent for root in roots for path in Path(root).rglob(GRID_NAME)}
    everywhere = _Everywhere(results)
    found, told = [], set[str]()
    for folder in sorted(grids.values(), key=lambda folder: folder.name, reverse=True):
        try:
            status = everywhere.look(folder)
        except GridError as error:
            _logger.warning("skipped a sweep: %s", error)
            continue
        found.append(_undone(status, told))
        told |= {planned.key for planned in status.grid.runs or ()}
    return [sweep for sweep in found if sweep.runs]


class _Everywhere:
    """Looks at sweeps, through each folder of Results once.

    Args:
        results: that were read already.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = results
        self._found: dict[Path, Found] = {}

    def look(self, folder: Path) -> SweepStatus:
        """How far a sweep is."""
        watcher = SweepWatcher(folder)
        root = watcher.finder.root
        if root not in self._found:
            watcher.finder.know(self._results)
            self._found[root] = watcher.finder.look()
        return watcher.look(self._found[root])


def _undone(status: SweepStatus, told: set[str]) -> UndoneSweep:
    """A sweep's runs without a Result, but for those that were told of with another sweep."""
    planned = status.grid.runs
    runs = [run for run in status.runs if planned is None or planned[run.number].key not in told - {""}]
    going_on = status.parents or status.of("running")
    return UndoneSweep(
        folder=str(status.folder),
        total=len(status.runs),
        runs=tuple(_run(status, run) for run in runs if run.state != "done"),
        command="" if going_on else shlex.join(["promptlab", "sweep", "resume", str(status.folder)]),
    )


def _run(status: SweepStatus, run: RunStatus) -> UndoneRun:
    return UndoneRun(
        state=run.state,
        settings=status.grid.varying(run.shown),
        command=shlex.join(status.grid.alone(run.shown)),
        error=" ".join((run.error or "").split()),
    )
