"""A sweep of 72 runs on the demo and EuroSAT, killed at random moments again and again, beside an undisturbed one.

    python experiments/sweeps/killed.py --root DATA --out experiments/sweeps/killed.csv

Each kill is SIGKILL of the whole process group, at a moment drawn from the time that starting takes and a little more
on. The sweep goes on by ``promptlab sweep resume`` or by its own command, drawn by chance. Every image that is encoded
and every fit that begins is written to a file at once, so that what killed processes did counts too.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SWEEP = ["-m", "dataset=demo_textures,eurosat", "learner=zero_shot,tip_adapter,tip_adapter_f,clip_adapter,"
         "linear_probe,coop", "shots=1,4", "seed=1,2,3", "protocol=few_shot", "views=0", "learner.optim.epochs=5",
         "ckpt_every_s=0", "trainer.enable_progress_bar=false"]  # fmt: skip
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def child(log: Path, words: Sequence[str]) -> int:
    """One promptlab command that writes down what it encodes and which fits it begins."""
    import promptlab.features.bank as bank
    import promptlab.runs.run as run
    from promptlab.cli.main import main

    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    encode, fit = bank.encode_jobs, run.fit_or_take_over

    def encoding(*given: Any, **named: Any) -> Iterator[Any]:
        for rows in encode(*given, **named):
            os.write(handle, "".join(f"image {row.content} {row.view}\n" for row in rows).encode())
            yield rows

    def fitting(*given: Any, **named: Any) -> Any:
        os.write(handle, f"fit {given[2].id}\n".encode())
        return fit(*given, **named)

    bank.encode_jobs, run.fit_or_take_over = encoding, fitting  # type: ignore[assignment]
    return main(words)


def start(log: Path, words: Sequence[str]) -> subprocess.Popen[str]:
    """The same in a process group of its own."""
    command = [sys.executable, str(Path(__file__).absolute()), "--child", str(log), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    """Let a command end; one that fails ends the trial."""
    said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}: {said[-2000:]}")


def found(results: Path) -> dict[str, tuple[bytes, object]]:
    """What each fit learned and scored."""
    from promptlab.results.store import find_results, read_result

    runs = {path.parent.name: path for path in find_results(results)}
    return {
        name: (path.with_name("learned.safetensors").read_bytes(), read_result(path).evaluations)
        for name, path in runs.items()
    }


def done(results: Path) -> int:
    """How many runs have a Result."""
    return len(list(results.rglob("result.json")))


def logged(log: Path) -> Counter[str]:
    """How often each image was encoded and each fit begun."""
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def again(counts: Counter[str], kind: str) -> tuple[int, int]:
    """How many images or fits there were, and how many of them more than once, each further time counted."""
    own = [count for line, count in counts.items() if line.startswith(kind)]
    return len(own), sum(own) - len(own)


def undisturbed(words: Sequence[str], log: Path) -> float:
    """The sweep left to itself; its seconds."""
    began = time.monotonic()
    finish(start(log, words))
    return time.monotonic() - began


def startup(log: Path, words: Sequence[str]) -> float:
    """Seconds until a sweep that is done has looked at its first run, which is what starting takes."""
    began = time.monotonic()
    finish(start(log, ["sweep", "resume", "results", *[word for word in words if word.startswith("hydra")]]))
    return time.monotonic() - began


def killed(words: Sequence[str], log: Path, longest: float, least: int, generator: random.Random) -> list[list[object]]:
    """Kill the sweep until it ends by itself; a row for each kill. The longest life grows where no run ended."""
    rows: list[list[object]] = []
    while True:
        same = generator.random() < 0.3 or not list(Path("results/sweeps").glob("*/grid.json"))
        before, moment = done(Path("results")), generator.uniform(0, longest)
        process = start(log, words if same else ["sweep", "resume", "results"])
        try:
            said = process.communicate(timeout=moment)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            after = done(Path("results"))
            rows.append([len(rows) + 1, "the command" if same else "sweep resume", round(moment, 1), before, after])
            print(*rows[-1], sep="\t", flush=True)
            if after == before:  # other programs may make its start longer than it was at first
                longest *= 1.05
            continue
        if process.returncode:
            raise SystemExit(f"exit status {process.returncode}: {said[-2000:]}")
        if len(rows) < least:
            raise SystemExit(
                f"it ended after {len(rows)} kills: {least} are wanted, give --longest below {longest:.0f}"
            )
        return rows


def main() -> None:
    """Run both, compare, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder of datasets, with eurosat in it")
    parser.add_argument("--kills", type=int, default=10, help="fewer end the trial")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--longest", type=float, help="seconds within which a kill falls")
    parser.add_argument("--joblib", action="store_true", help="two worker processes, killed with their parent")
    parser.add_argument("--out", type=lambda given: Path(given).absolute(), required=True)
    options = parser.parse_args()
    words = [*SWEEP, f"data.root={options.root.absolute()}", *(JOBLIB if options.joblib else [])]
    with tempfile.TemporaryDirectory() as folder:
        summary: dict[str, object] = {"command": ["promptlab", *SWEEP, *words[len(SWEEP) + 1 :]]}
        where = {name: Path(folder, name) for name in ("undisturbed", "killed")}
        for place in where.values():
            place.mkdir()
        os.environ["OMP_NUM_THREADS"] = "1"
        logs = {name: place / "log" for name, place in where.items()}
        os.environ["PROMPTLAB_CACHE"] = str(where["undisturbed"] / "cache")
        os.chdir(where["undisturbed"])
        seconds = undisturbed(words, logs["undisturbed"])
        starting = startup(logs["undisturbed"], words)
        expected = found(Path("results"))
        longest = options.longest or starting + 2 * max(seconds - starting, 1) / options.kills
        print(f"{len(expected)} Results in {seconds:.0f} s, {starting:.0f} s of it to start", flush=True)
        os.environ["PROMPTLAB_CACHE"] = str(where["killed"] / "cache")
        os.chdir(where["killed"])
        rows = killed(words, logs["killed"], longest, options.kills, random.Random(options.seed))
        now = found(Path("results"))
        for name, log in [] if options.joblib else logs.items():  # what workers do isn't written down
            (images, images_again), (fits, fits_again) = again(logged(log), "image"), again(logged(log), "fit")
            summary[name] = {"images encoded": images, "encoded again": images_again, "fits": fits,
                             "begun again": fits_again}  # fmt: skip
        summary |= {
            "kills": len(rows),
            "runs": len(expected),
            "lost": sum(name not in now for name in expected),
            "other scores or learned tensors": sum(now.get(name) != what for name, what in expected.items()),
            "more than expected": len(now.keys() - expected.keys()),
            "seconds undisturbed": round(seconds),
        }
        os.chdir("/")
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kill", "went on by", "seconds alive", "Results before", "Results after"])
        writer.writerows(rows)
    options.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(Path(sys.argv[2]), sys.argv[3:]))
    main()
