"""What a start costs in processor time, of two checkouts in turn under the same load.

python experiments/performance/startup.py BEFORE AFTER WORK --rounds 3   # startup.csv, startup.md; --only WORDS

Both are started once before anything is timed: that fills what a run caches, in WORK, and compiles to bytecode.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
SIDES = ("before", "after")
TO_THE_FIRST_STEP = """
import os, sys
from promptlab.cli.main import main
import promptlab.training.module as module
module.StageModule.training_step = lambda *_: os._exit(0)
main({words!r})
os._exit(1)
"""
TO_THE_END = "import sys; from promptlab.cli.main import main; sys.exit(main({words!r}))"
PREPARED = """
import promptlab
clip, data = promptlab.load_clip("demo", device="cpu"), promptlab.demo_dataset("demo_shapes")
promptlab.ZeroShot(clip, data.class_names).save_pretrained("learner")
data.train.source.open(0).save("picture.png")
"""
RUN = ["protocol=few_shot", "dataset=demo_shapes", "shots=2", "views=0", "backbone.device=cpu"]
STARTS = {
    "import torch": "import torch",
    "import torch, torch._dynamo": "import torch, torch._dynamo",
    "import torch, torch._dynamo, torchvision, lightning": "import torch, torch._dynamo, torchvision, lightning",
    "promptlab.load_clip, imported": "from promptlab import load_clip",
    "promptlab.fit, imported": "import promptlab; promptlab.fit; import promptlab.training.module",
    "command to the first step of CoOp": TO_THE_FIRST_STEP.format(words=["learner=coop", *RUN, "force=true"]),
    "promptlab predict of one picture": TO_THE_END.format(words=["predict", "learner", "picture.png"]),
    "command to the end of zero-shot": TO_THE_END.format(words=["learner=zero_shot", *RUN]),
}


def main() -> None:
    """Time every start of both, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[""], help="words of the starts that are timed")
    options = parser.parse_args()
    chosen = {name: code for name, code in STARTS.items() if any(word in name for word in options.only)}
    sides = {name: (getattr(options, name).absolute(), options.work.absolute() / name) for name in SIDES}
    for side in sides.values():
        for code in (PREPARED, *chosen.values()):
            cpu_seconds(code, *side)
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for start, code in chosen.items():
            for name in SIDES:
                seconds.setdefault((start, name), []).append(cpu_seconds(code, *sides[name]))
        rows = [{"start": start, **{name: f"{median(seconds[start, name]):.2f}" for name in SIDES}} for start in chosen]
        with (HERE / "startup.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["start", *SIDES], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        table = ["| start | before | after |", "| --- | --: | --: |"]
        table += [f"| {row['start']} | {row['before']} | {row['after']} |" for row in rows]
        (HERE / "startup.md").write_text("\n".join(table) + "\n")


def cpu_seconds(code: str, checkout: Path, folder: Path) -> float:
    """Of one process, in user and system mode."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PROMPTLAB_CACHE": str(folder / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
