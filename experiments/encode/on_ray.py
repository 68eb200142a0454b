"""EuroSAT's test images encoded by two Ray actors that are killed, beside the local bank; then runs over the shards.

python experiments/encode/on_ray.py DATA WORK [local actor driver sweep]     writes experiments/encode/on_ray.json
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
from collections.abc import Callable, Sequence
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
IMAGES = 8100
BACKBONE = [f"backbone._target_=counting.{load_counting.__name__}"]
SWEEP = ["-m", "dataset=eurosat", "protocol=few_shot", "learner=zero_shot,coop,tip_adapter", "learner.optim.epochs=10",
         "shots=1", "seed=1,2", "views=0", "val=full", *BACKBONE]  # fmt: skip


class Trial:
    """A folder with a cache, a folder of shards and a log of what was encoded."""

    def __init__(self, folder: Path, data: Path, *, shards: Path | None = None, keep: bool = False) -> None:
        if not keep:
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


def wait_for(done: Callable[[], bool], seconds: float = 1200) -> None:
    """Look every 20 ms."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happened")
        time.sleep(0.02)


def kill_an_actor(data: Path, work: Path) -> dict[str, Any]:
    """Encode, with one of the two actors killed half-way."""
    trial = Trial(work / "actor", data)
    began = time.monotonic()
    driver = trial.start(*encode(ray=True))
    wait_for(lambda: trial.written() >= IMAGES // 2)
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
        **counts(trial),
        **bits(work / "local", trial.shards, data),
    }


def kill_the_driver(data: Path, work: Path) -> dict[str, Any]:
    """Encode, with the whole command killed after a third; then again."""
    trial = Trial(work / "driver", data)
    driver = trial.start(*encode(ray=True))
    wait_for(lambda: trial.written() >= IMAGES // 3)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not trial.actors())
    at = trial.written()
    seconds = trial.run(*encode(ray=True))
    return {
        "seconds_of_the_second": round(seconds, 1),
        "rows_written_at_the_kill": at,
        **counts(trial),
        **bits(work / "local", trial.shards, data),
    }


def counts(trial: Trial) -> dict[str, Any]:
    """How much was encoded, and how much of it again."""
    encoded = sum(trial.encoded().values())
    folders = [list(listed(folder).values()) for folder in trial.shards.glob("*/*")]
    return {
        "pictures_encoded": encoded,
        "encoded_again": encoded - IMAGES,
        "rows_in_shards": trial.written(),
        "shards": sum(map(len, folders)),
        "rows_of_the_largest_shard": max(said.rows for folder in folders for said in folder),
        "bytes_of_shards": sum(path.stat().st_size for path in trial.shards.glob("*/*/*.safetensors")),
    }


def bits(local: Path, shards: Path, data: Path) -> dict[str, int]:
    """How many rows of the local bank and of shards are there, and how many have equal bits."""
    os.environ["PROMPTLAB_CACHE"] = str(local / "cache")
    from promptlab.jobs.every import every_settings

    (settings,) = every_settings(["dataset=eurosat", f"data.root={data}"])
    contents = list(dict.fromkeys(settings.dataset.make().test.content_ids()))
    collections = collections_of(load_clip("demo"))
    store = FeatureStore(local / "cache" / "features.sqlite")
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


def encode_here(data: Path, work: Path) -> dict[str, Any]:
    """Into the local bank, for comparison."""
    trial = Trial(work / "local", data)
    seconds = trial.run(*encode(ray=False))
    return {"seconds": round(seconds, 1), "pictures_encoded": sum(trial.encoded().values())}


def sweep(data: Path, work: Path) -> dict[str, Any]:
    """The same runs over the local bank, and with an empty one over the shards of the killed actor."""
    local = Trial(work / "local", data, keep=True)
    over = Trial(work / "over_shards", data, shards=work / "actor" / "shards")
    before = sum(local.encoded().values())
    for trial in (local, over):
        trial.run(*SWEEP)
    one, other = scores(local), scores(over)
    return {
        "runs": len(one),
        "equal_numbers": sum(one[key] == other.get(key) for key in one),
        "pictures_encoded_over_the_local_bank": sum(local.encoded().values()) - before,
        "pictures_encoded_over_shards": sum(over.encoded().values()),
        "scores": one,
    }


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "local": encode_here,
    "actor": kill_an_actor,
    "driver": kill_the_driver,
    "sweep": sweep,
}


def main(data: Path, work: Path, parts: Sequence[str]) -> None:
    """Try these parts, and put what came out into on_ray.json beside what is there of others."""
    written = HERE / "on_ray.json"
    report = json.loads(written.read_text()) if written.exists() else {}
    report["machine"] = f"{platform.system()}, {os.cpu_count()} processors, OMP_NUM_THREADS=1"
    for part in parts:
        load = os.getloadavg()[0]
        found = PARTS[part](data, work)
        report[part] = {"date": time.strftime("%Y-%m-%d"), "load_of_the_machine": round(load), **found}
        written.write_text(json.dumps(report, indent=1) + "\n")
        print(part, json.dumps({key: value for key, value in report[part].items() if key != "scores"}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:] or list(PARTS))
