"""Sweeps under joblib whose processes are killed, and sweeps on a full disk: what is lost of their Results.

    python experiments/faults/sweeps.py --out experiments/faults/sweeps.csv

A sweep of four fits (checkpoints at every epoch) runs undisturbed once. After each fault it is left to end: what it
learned must be the same bytes, its scores the same numbers. Sweeps killed at random moments: experiments/sweeps.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from promptlab.results.store import find_results, read_result
from promptlab.runs.verify import verify

SWEEP = ["-m", "dataset=demo_textures", "protocol=few_shot", "shots=1", "views=0", "learner.optim.epochs=40",
         "ckpt_every_s=0", "seed=1,2,3,4", "trainer.enable_progress_bar=false"]  # fmt: skip
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def start(*more: str, limit: int | None = None) -> subprocess.Popen[str]:
    """The sweep, in a process of its own."""
    words = [*SWEEP, *more]
    code = f"import sys; from promptlab.cli.main import main; sys.exit(main({words!r}))"
    if limit is not None:
        code = (f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
                f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {code}")  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True)  # fmt: skip


def found(results: Path) -> dict[str, tuple[bytes, object]]:
    """What each fit learned and scored."""
    runs = {path.parent.name: path for path in find_results(results)}
    return {
        name: (path.with_name("learned.safetensors").read_bytes(), read_result(path).evaluations)
        for name, path in runs.items()
    }


def children(process: int) -> list[int]:
    """Processes that a process started, as far as they use much memory."""
    listed = subprocess.run(
        ["ps", "--ppid", str(process), "-o", "pid=,rss="], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if int(line.split()[1]) > 100_000]


def alive(process: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def orphans() -> tuple[int, int]:
    """Kill the parent of a joblib sweep: workers there were, and workers there are six seconds later."""
    process = start(*JOBLIB)
    workers: list[int] = []
    deadline = time.monotonic() + 90
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
        workers = children(process.pid)
    time.sleep(2)
    process.kill()
    process.wait()
    time.sleep(6)
    return len(workers), sum(map(alive, workers))


def lost_worker() -> tuple[int, str]:
    """Kill a worker of a joblib sweep: its exit status, and its last line."""
    process = start(*JOBLIB)
    workers: list[int] = []
    deadline = time.monotonic() + 90
    while not workers and time.monotonic() < deadline:
        time.sleep(0.5)
        workers = children(process.pid)
    os.kill(workers[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=300)
    if "Traceback" in said:
        return process.returncode, "a traceback"
    return process.returncode, said.strip().splitlines()[-1][:60]


def main() -> None:
    """Try every fault, and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out, generator = options.out.absolute(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, out.open("w", newline="") as file:
        os.chdir(folder)
        os.environ.update(PROMPTLAB_CACHE=str(Path(folder, "cache")), OMP_NUM_THREADS="1")
        start().communicate()  # the bank is filled once, so that what is timed is the fits
        expected = found(Path("results"))
        shutil.rmtree("results")
        start().communicate()
        if found(Path("results")) != expected or len(expected) != 4:
            raise SystemExit("the undisturbed sweep gives no four Results, or not twice the same")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fault", "times", "other or lost Results", "damaged files", "besides"])

        def write(fault: str, times: int, besides: str) -> None:
            """Let the sweep end undisturbed, and compare."""
            start().communicate()
            now = found(Path("results"))
            lost = sum(now.get(name) != what for name, what in expected.items())
            states = [checked.state for checked in verify(Path("results"))]
            left = f"temporary files left: {states.count('left over')}"
            row = [fault, times, lost, states.count("damaged"), "; ".join(part for part in (besides, left) if part)]
            writer.writerow(row)
            print(*row, sep="\t", flush=True)
            shutil.rmtree("results")

        workers, after = orphans()
        write("SIGKILL of a joblib sweep's parent", 1, f"workers before: {workers}, six seconds later: {after}")
        status, said = lost_worker()
        write("SIGKILL of a joblib worker", 1, f"exit status {status}: {said}")
        for _ in range(3):
            start(limit=generator.randrange(2_000, 60_000)).communicate()
        write("no room for files (RLIMIT_FSIZE)", 3, "")


if __name__ == "__main__":
    main()
