"""The same sweep through every launcher, with numbers that have to be equal bit for bit.

    PROMPTLAB_CACHE=BANK promptlab -m dataset=demo_shapes,eurosat learner=zero_shot protocol=few_shot views=0
    python experiments/launchers/compare.py shared/data BANK WORK

Every launcher has results and a cache of its own in WORK, which begins with a copy of the bank: each trains and scores
alone. A comparison that was stopped goes on.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptlab import load_results
from promptlab.results.document import Result

HERE = Path(__file__).parent
CASES = {
    "basic": ("basic", 1),
    "joblib": ("joblib", 1),
    "submitit_local": ("submitit_local", 1),
    "ray": ("ray", 1),
    "basic, 2 threads": ("basic", 2),
}
"""Launchers, and the threads that each run computes with."""
LEARNERS = ("coop", "kgcoop", "clip_adapter", "tip_adapter", "linear_probe")
SWEEP = ("protocol=few_shot", "dataset=demo_shapes,eurosat", f"learner={','.join(LEARNERS)}", "learner.optim.epochs=3",
         "shots=2", "seed=1,2", "views=0", "trainer.enable_progress_bar=false")  # fmt: skip
FILES = ("learned.safetensors", "predictions-test.safetensors")
Runs = Mapping[str, Mapping[str, Any]]


def main(root: str, bank: str, work: str) -> None:
    """Run all, and write ``launchers.csv`` (what is equal) and ``numbers.csv`` (a row a run)."""
    places = Path(root).absolute(), Path(bank)
    ended = {case: sweep(*how, *places, Path(work, case)) for case, how in CASES.items()}
    found = {case: runs for case, (_, runs) in ended.items()}
    rows = [
        {"launcher": case, "exit status": status, "runs": len(runs), **equal(runs, found["basic"])}
        for case, (status, runs) in ended.items()
    ]
    write("launchers.csv", rows)
    write("numbers.csv", numbers(found))


def sweep(launcher: str, threads: int, root: Path, bank: Path, folder: Path) -> tuple[int, Runs]:
    """The exit status, and what every run gave by its fit's id; goes on with what a stopped comparison left."""
    cache = folder.absolute() / "cache"
    if not cache.is_dir():
        cache.mkdir(parents=True)
        shutil.copy(bank / "features.sqlite", cache)
    words = [f"hydra/launcher={launcher}", *SWEEP, "results=results", f"data.root={root}"]
    environment = {**os.environ, "PROMPTLAB_CACHE": str(cache), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-m", "promptlab", "-m", *words], env=environment, cwd=folder)
    return done.returncode, {result.fit_id: facts(result) for result in load_results(folder / "results")}


def facts(result: Result) -> dict[str, Any]:
    """What is compared: every score and the learning curve, the bytes of what was learned and of the predictions."""
    assert result.folder is not None
    files = {name: hashlib.sha256((result.folder / name).read_bytes()).hexdigest() for name in FILES}
    top1 = [part.metrics.top1 for part in result.evaluations.values() if part.metrics is not None]
    name = (result.dataset, result.learner, result.seed)
    return {"name": name, "top1": top1[0], "scores": (result.evaluations, result.learning_curve), **files}


def equal(runs: Runs, expected: Runs) -> dict[str, int]:
    """How many runs give what the first launcher's gave."""
    same = {
        key: [runs.get(fit, {}).get(key) == own[key] for fit, own in expected.items()] for key in ("scores", *FILES)
    }
    return {f"equal {key}": sum(found) for key, found in same.items()}


def numbers(found: Mapping[str, Runs]) -> list[dict[str, Any]]:
    """A row a run: its accuracy under every launcher, with all digits."""
    rows = []
    for fit, own in sorted(found["basic"].items(), key=lambda item: item[1]["name"]):
        dataset, learner, seed = own["name"]
        scores = {case: runs.get(fit, {}).get("top1", "") for case, runs in found.items()}
        rows.append({"fit": fit, "dataset": dataset, "learner": learner, "seed": seed, **scores})
    return rows


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table beside this script."""
    with open(HERE / name, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
