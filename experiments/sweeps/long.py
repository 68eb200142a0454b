"""300 runs in one process: what each takes beyond training and encoding, and what memory and open files do meanwhile.

    python experiments/sweeps/long.py --out experiments/sweeps/long.csv

A row for each run: seconds and CPU seconds from the end of the run before to the end of this one, without those of
training and of encoding images; resident memory, open files and threads at its end.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import promptlab.jobs.job as job
import promptlab.runs.run as run
from promptlab.cli.main import main as promptlab
from promptlab.support.machine import memory_bytes

RUNS = ["dataset=demo_textures", "protocol=few_shot", "views=0", "learner=zero_shot,clip_adapter,coop",
        "learner.optim.epochs=2", "shots=1,2", "trainer.enable_progress_bar=false"]  # fmt: skip
FIELDS = ("run", "seconds", "cpu_seconds", "memory_mb", "open_files", "threads")


class Watch:
    """Counts time, and leaves out that of some functions."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._restart()

    def without(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time isn't counted."""

        def timed(*given: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*given, **named)
            finally:
                self._wall += time.perf_counter() - wall
                self._cpu += time.process_time() - cpu

        return timed

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, at whose end a run has ended."""

        def noted(*given: Any, **named: Any) -> Any:
            answer = function(*given, **named)
            self.rows.append({
                "run": len(self.rows) + 1,
                "seconds": round(time.perf_counter() - self._wall, 4),
                "cpu_seconds": round(time.process_time() - self._cpu, 4),
                "memory_mb": round(memory_bytes() / 2**20, 1),
                "open_files": len(os.listdir("/proc/self/fd")),
                "threads": len(os.listdir("/proc/self/task")),
            })  # fmt: skip
            self._restart()
            return answer

        return noted

    def _restart(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()


def main() -> None:
    """Run, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds",
        type=int,
        default=50,
        help="six runs each, one after the other, so that every stretch of runs is alike",
    )
    parser.add_argument("--out", type=lambda given: Path(given).absolute(), required=True)
    options = parser.parse_args()
    watch = Watch()
    run.encode_images = watch.without(run.encode_images)
    run.fit_or_take_over = watch.without(run.fit_or_take_over)
    job.write_note = watch.after(job.write_note)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMPTLAB_CACHE"] = str(Path(folder, "cache"))
        os.chdir(folder)
        if promptlab(["-m", f"seed=range(1,{options.seeds + 1})", *RUNS]):
            raise SystemExit("runs failed")
        os.chdir("/")
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(watch.rows)
    for name, rows in {"runs 2 to 31": watch.rows[1:31], "the last 30": watch.rows[-30:]}.items():
        print(name, {key: round(median(row[key] for row in rows), 3) for key in FIELDS[1:]})


if __name__ == "__main__":
    main()
