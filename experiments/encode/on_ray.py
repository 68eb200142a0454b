"""EuroSAT's test images encoded by two Ray actors that are killed, beside the local bank; then runs over the shards.

python experiments/encode/on_ray.py DATA [WORK]     writes experiments/encode/on_ray.json
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from counting import load_counting

from promptlab.clip import load_clip
from promptlab.features.keys import collections_of
from promptlab.features.shards import find_rows, folder_of, listed
from promptlab.features.store import FeatureStore
from promptlab.results.store import find_results, read_result

HERE = Path(__file__).resolve().parent
BACKBONE = [f"backbone._target_=counting.{load_counting.__name__}"]
SWEEP = ["-m", "dataset=eurosat", "protocol=few_shot", "learner=zero_shot,coop,tip_adapter", "learner.optim.epochs=20",
         "shots=1,4", "seed=1,2", "views=0", "val=full", *BACKBONE]  # fmt: skip


class Trial:
    """A folder with a cache, a folder of shards and a log of what was encoded."""

    def __init__(self, folder: Path, data: Path, shards: Path | None = None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self.data = folder, data
        self.shards = shards or folder / "shards"
        self.log = folder / "encoded.log"
        self.environment = {
            **os.environ,
            "PROMPTLAB_CACHE": str(folder / "cache"),
            "PROMPTLAB_SHARDS": str(self.shards),
            "ENCODED_LOG": str(self.log),
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """``promptlab`` with these words."""
        command = [sys.executable, "-m", "promptlab", *words, f"data.root={self.data}"]
        output = (self.folder / "output.txt").open("ab")
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=output, stderr=output)

    def run(self, *words: str) -> float:
        """The same, to its end; returns its seconds."""
        began = time.monotonic()
        if self.start(*words).wait():
            raise SystemExit(f"{words} failed: see {self.folder / 'output.txt'}")
        return time.monotonic() - began

    def written(self) -> int:
        """Rows in shards."""
        return sum(said.rows for folder in self.shards.glob("*/*") for said in listed(folder).values())

    def encoded(self) -> Counter[int]:
        """Pictures by process."""
        counts: Counter[int] = Counter()
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            process, number = line.split()
            counts[int(process)] += int(number)
        return counts

    def actors(self) -> list[int]:
        """Processes of this trial's actors."""
        mark = f"ENCODED_LOG={self.log}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                is_actor = entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"ray::MapWorker")
                if is_actor and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def encode(ray: bool) -> list[str]:
    """The command that is tried."""
    words = ["encode", "dataset=eurosat", "views=0", "--split", "test", *BACKBONE]
    return [*words, "--ray", "--actors", "2"] if ray else words


def wait_for(done: Callable[[], bool], seconds: float = 600) -> None:
    """Look every 20 ms."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happened")
        time.sleep(0.02)


def kill_an_actor(trial: Trial, images: int) -> dict[str, Any]:
    """Encode, with one of the two actors killed half-way."""
    began = time.monotonic()
    driver = trial.start(*encode(ray=True))
    wait_for(lambda: trial.written() >= images // 2)
    actors = trial.actors()
    busy = [process for process in actors if trial.encoded()[process]]
    os.kill(busy[0], signal.SIGKILL)
    at = trial.written()
    if driver.wait():
        raise SystemExit(f"see {trial.folder / 'output.txt'}")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "actors_before": len(actors),
        "processes_that_encoded": len(trial.encoded()),
        "rows_written_at_the_kill": at,
        **counts(trial, images),
    }


def kill_the_driver(trial: Trial, images: int) -> dict[str, Any]:
    """Encode, with the whole command killed after a third; then again."""
    driver = trial.start(*encode(ray=True))
    wait_for(lambda: trial.written() >= images // 3)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not trial.actors())
    at = trial.written()
    seconds = trial.run(*encode(ray=True))
    return {"seconds_of_the_second": round(seconds, 1), "rows_written_at_the_kill": at, **counts(trial, images)}


def counts(trial: Trial, images: int) -> dict[str, Any]:
    """How much was encoded, and how much of it again."""
    encoded = sum(trial.encoded().values())
    folders = [list(listed(folder).values()) for folder in trial.shards.glob("*/*")]
    return {
        "pictures_encoded": encoded,
        "encoded_again": encoded - images,
        "rows_in_shards": trial.written(),
        "shards": sum(map(len, folders)),
        "rows_of_the_largest_shard": max(said.rows for folder in folders for said in folder),
        "bytes_of_shards": sum(path.stat().st_size for path in trial.shards.glob("*/*/*.safetensors")),
    }


def bits(local: Trial, shards: Path, data: Path) -> dict[str, int]:
    """How many rows of the local bank and of shards are there, and how many have equal bits."""
    os.environ["PROMPTLAB_CACHE"] = str(local.folder / "cache")
    from promptlab.jobs.every import every_settings

    (settings,) = every_settings(["dataset=eurosat", f"data.root={data}"])
    contents = list(dict.fromkeys(settings.dataset.make().test.content_ids()))
    collections = collections_of(load_clip("demo"))
    store = FeatureStore(local.folder / "cache" / "features.sqlite")
    features, there = store.read_all(collections, contents)
    norms = store.read_norms(collections, contents)
    equal = in_shards = 0
    for found in find_rows(shards, collections, contents, np.ones_like(there)):
        in_shards += len(found.norms)
        same = (found.features.view(np.uint32) == features[found.at].view(np.uint32)).all(axis=-1)
        equal += int((same & (found.norms.view(np.uint32) == norms[found.at].view(np.uint32))).sum())
    assert folder_of(shards, collections[0]).is_dir()
    return {"local_rows": int(there.sum()), "rows_of_shards": in_shards, "equal_bits": equal}


def scores(trial: Trial) -> dict[str, Any]:
    """Every number of a sweep's results that a run computes from features."""
    found = {}
    for path in find_results(trial.folder / "results"):
        result = read_result(path)
        for name, evaluation in result.evaluations.items():
            metrics = evaluation.metrics
            assert metrics is not None
            found[f"{path.parent.parent.name}/{result.fit_id}/{name}"] = [
                metrics.top1,
                metrics.macro_f1,
                metrics.reliability.ece,
            ]
    return dict(sorted(found.items()))


def main(data: Path, work: Path) -> None:
    """All of it, into on_ray.json."""
    images = 8100
    local = Trial(work / "local", data)
    seconds = local.run(*encode(ray=False))
    report: dict[str, Any] = {
        "machine": f"{platform.system()}, {os.cpu_count()} processors, OMP_NUM_THREADS=1",
        "date": time.strftime("%Y-%m-%d"),
        "images": images,
        "local": {"seconds": round(seconds, 1), "pictures_encoded": sum(local.encoded().values())},
    }
    actor = Trial(work / "actor", data)
    report["actor_killed"] = kill_an_actor(actor, images)
    report["actor_killed"]["bits"] = bits(local, actor.shards, data)
    driver = Trial(work / "driver", data)
    report["driver_killed"] = kill_the_driver(driver, images)
    report["driver_killed"]["bits"] = bits(local, driver.shards, data)
    plain = Trial(work / "plain", data)
    over = Trial(work / "over_shards", data, shards=actor.shards)
    for trial in (plain, over):
        trial.run(*SWEEP)
    one, other = scores(plain), scores(over)
    report["sweep"] = {
        "runs": len(one),
        "equal_numbers": sum(one[key] == other.get(key) for key in one),
        "pictures_encoded_without_shards": sum(plain.encoded().values()),
        "pictures_encoded_over_shards": sum(over.encoded().values()),
        "scores": one,
    }
    (HERE / "on_ray.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "sweep"}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/promptlab-encode"))
