"""``promptlab bench LEARNER`` for all of ``promptlab/bench/recipes.py``, and ``learners.md`` of what it found.

Each runs in a process of its own. ``--text`` leaves out the steps in which the plain side encodes images for learners
that read features, which says less of the text side and takes longer. ``--quick`` tries the path on the demo backbone
in two minutes; its numbers mean nothing.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FIELDS = (
    "learner", "step", "goal", "ratio", "plain_s", "promptlab_s", "products_s", "share_of_products_rate",
    "text_gflop_plain", "text_gflop", "image_gflop_plain", "image_gflop", "gflop_ratio", "largest_difference",
    "rounds", "threads", "load_before", "processor",
)  # fmt: skip


def main() -> None:
    """Measure what is asked for; rows of earlier calls stay unless they are measured again."""
    from promptlab.bench.recipes import RECIPES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--text", action="store_true", help="without steps in which the plain side encodes images")
    parser.add_argument("--quick", action="store_true", help="small settings on the demo backbone")
    parser.add_argument("--out", type=Path, default=HERE / "learners.csv")
    parser.add_argument("--here", choices=RECIPES, help="print one learner's measurement as JSON, from this process")
    options = parser.parse_args()
    if options.here:
        sys.stdout.write(measured_here(options.here, options))
        return
    for name in options.only:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}\n")
        keep(options.out, measured(name, RECIPES[name].goal, sys.argv[1:]))
        options.out.with_suffix(".md").write_text(table(options.out))
    sys.stdout.write(table(options.out))


def measured_here(name: str, options: argparse.Namespace) -> str:
    """What ``promptlab bench`` does with the learner's cases, as JSON."""
    from dataclasses import asdict

    from promptlab.bench import cases, learner
    from promptlab.bench.recipes import RECIPES
    from promptlab.bench.report import Report
    from promptlab.bench.settings import Settings

    settings = Settings(
        backbone="demo" if options.quick else "ViT-B-16-quickgelu", classes=12 if options.quick else options.classes,
        batch=RECIPES[name].batch, rounds=1 if options.quick else options.rounds, threads=options.threads,
    )  # fmt: skip
    clip = settings.load()
    wanted = [case for case in learner.cases(name, settings, clip) if case.recorded or not options.text]
    found = Report(name, asdict(settings), [cases.measure(case, settings, clip) for case in wanted])
    return json.dumps(found.document())


def measured(name: str, goal: float | None, arguments: list[str]) -> list[dict[str, object]]:
    """Rows of one learner, measured in a process of its own."""
    load = os.getloadavg()[0]
    command = [sys.executable, __file__, *arguments, "--here", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    document = json.loads(done.stdout)
    return [row_of(name, goal, comparison, document, load) for comparison in document["comparisons"]]


def row_of(name: str, goal: float | None, found: dict, document: dict, load: float) -> dict[str, object]:
    """One step, as a row."""
    medians, towers = found["median_seconds"], found["towers"]
    row = {
        "learner": name,
        "step": found["what"].partition(": ")[2],
        "goal": goal or "",
        "ratio": round(found["ratio"], 2),
        "plain_s": round(medians["plain"], 4),
        "promptlab_s": round(medians["promptlab"], 4),
        "largest_difference": f"{max(found['differences'].values()):.1e}",
        "rounds": document["settings"]["rounds"],
        "threads": document["machine"]["threads"],
        "load_before": round(load, 1),
        "processor": document["machine"]["processor"],
    }
    if not towers:
        return row
    for tower in ("text", "image"):
        row[f"{tower}_gflop_plain"] = round(towers["plain"][f"{tower} tower"] / 1e9, 2)
        row[f"{tower}_gflop"] = round(towers["promptlab"][f"{tower} tower"] / 1e9, 2)
    plain, ours = (sum(towers[side].values()) for side in ("plain", "promptlab"))
    return row | {
        "products_s": round(medians["products"], 4),
        "share_of_products_rate": round(found["share_of_products_rate"], 2),
        "gflop_ratio": round(plain / ours, 2),
    }


def keep(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows in place of those of the same steps."""
    there = list(csv.DictReader(path.open())) if path.exists() else []
    new = {(row["learner"], row["step"]) for row in rows}
    everything = [*(row for row in there if (row["learner"], row["step"]) not in new), *rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(everything)


def table(path: Path) -> str:
    """What README shows."""
    lines = [
        "| learner | step | times faster | to reach | plain, s | promptlab, s | its products alone, s | GFLOP of text, "
        "plain and ours | GFLOP of images, plain and ours | largest difference |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in csv.DictReader(path.open()):
        pairs = [(row[f"{tower}_gflop_plain"], row[f"{tower}_gflop"]) for tower in ("text", "image")]
        flop = [f"{plain} / {ours}" if plain else "" for plain, ours in pairs]
        cells = [row[key] for key in ("learner", "step", "ratio", "goal", "plain_s", "promptlab_s", "products_s")]
        lines.append(f"| {' | '.join([*cells, *flop, row['largest_difference']])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
