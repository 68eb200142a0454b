"""The table at the end of a sweep, from the Results of its runs, whichever processes they ran in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console

from promptlab.report.table import sweep_table
from promptlab.results.store import RESULT_NAME, read_result
from promptlab.support.files import write_text_atomic


class SweepTable(Callback):
    """Hydra's callback: each job leaves a note of its Result's folder, the parent gathers them into a table."""

    failed: ClassVar[int] = 0
    """Runs of the last sweep that left no Result."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """In the worker: note where the Result is."""
        if job_return.status == JobStatus.COMPLETED and config.hydra.mode.name == "MULTIRUN":
            note = Path(config.hydra.sweep.dir, "runs", f"{config.hydra.job.num}.json")
            write_text_atomic(note, json.dumps(job_return.return_value))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """In the parent: print the table of all runs that finished."""
        notes = sorted(Path(config.hydra.sweep.dir, "runs").glob("*.json"), key=lambda path: int(path.stem))
        folders = [json.loads(note.read_text()) for note in notes]
        done = [read_result(Path(folder, RESULT_NAME)) for folder in folders if folder is not None]
        Console().print(sweep_table(done))
        SweepTable.failed = len(folders) - len(done)
        if SweepTable.failed:
            Console(stderr=True).print(f"{SweepTable.failed} of {len(folders)} runs failed, as said above")
