"""What a sweep says of its runs, and the table at its end, whichever processes they ran in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from hydra.conf import HydraConf
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from promptlab.report.table import sweep_table
from promptlab.results.document import Result, ResultError
from promptlab.results.store import RESULT_NAME, read_result
from promptlab.support.console import console, say
from promptlab.support.files import write_text_atomic
from promptlab.support.words import counted


class SweepTable(Callback):
    """Hydra's callback: each job leaves a note of its Result's folder, the parent gathers them into a table.

    Args:
        total: runs of the sweep, None where that can't be told.
        varies: keys with several values.
        flags: of the command line, that a run alone needs as well.
        optional: keys that a run leaves out where its choices don't take them.
        as_json: the answer is one JSON document, so lines go to the error stream.
    """

    folder: ClassVar[Path | None] = None
    """Where the jobs of the sweep at work leave their notes."""

    def __init__(
        self,
        total: int | None = None,
        varies: Sequence[str] = (),
        flags: Sequence[str] = (),
        optional: Sequence[str] = (),
        as_json: bool = False,
    ) -> None:
        self.total, self.as_json = total, as_json
        self.varies, self.flags, self.optional = tuple(varies), tuple(flags), tuple(optional)

    @classmethod
    def of(cls, hydra: HydraConf) -> SweepTable:
        """As the configuration of a job has it."""
        node = dict(hydra.callbacks["sweep_table"])
        return cls(**{key: value for key, value in node.items() if key != "_target_"})

    def place_of(self, number: int) -> str:
        """Which run of how many: ``3/45``."""
        return f"{number + 1:3d}" if self.total is None else f"{number + 1:{len(str(self.total))}d}/{self.total}"

    def varying(self, overrides: Sequence[str]) -> str:
        """Those of a run's overrides that tell it from the others."""
        return " ".join(word for word in overrides if word.partition("=")[0] in self.varies)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In the parent: remember where notes will be."""
        SweepTable.folder = Path(config.hydra.sweep.dir, "runs")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """In the worker: note where the Result is, or what went wrong."""
        if job_return.status == JobStatus.COMPLETED and config.hydra.mode.name == "MULTIRUN":
            note = Path(config.hydra.sweep.dir, "runs", f"{config.hydra.job.num}.json")
            write_text_atomic(note, json.dumps(job_return.return_value, indent=1))


def show_sweep(*, as_json: bool = False, total: int | None = None) -> int:
    """Print the table of all runs of the last sweep that finished.

    Args:
        as_json: one JSON document in place of the table.
        total: how many runs there should be; fewer are said to go on with the same command.

    Returns:
        How many runs failed.
    """
    folder = SweepTable.folder
    notes = [] if folder is None else sorted(folder.glob("*.json"), key=lambda path: int(path.stem))
    runs = [json.loads(note.read_text(encoding="utf-8")) for note in notes]
    results = [_result_of(run) for run in runs]
    done = [result for result in results if result is not None]
    if as_json:
        shown = zip(runs, results, strict=True)
        say(
            json.dumps(
                [run if it is None else {**run, "result": json.loads(it.to_json())} for run, it in shown], indent=1
            )
        )
    elif done:
        console().print(sweep_table(done))
    failed = len(runs) - len(done)
    if failed:
        say(f"{failed} of {counted(len(runs), 'run')} failed, as said above; their errors are kept in {folder}",
            stderr=True)  # fmt: skip
    if total is not None and len(runs) < total:
        say(f"{len(done)} of {counted(total, 'run')} done; the same command goes on with the others", stderr=True)
    return failed


def _result_of(run: dict[str, Any]) -> Result | None:
    """The Result of a run, None if it failed or its document can't be read any more, which is said."""
    if "folder" not in run:
        return None
    try:
        return read_result(Path(run["folder"], RESULT_NAME))
    except ResultError as error:
        say(str(error), stderr=True)
        return None
