"""Every ``promptlab bench`` at the settings of the table in README.md, each in a process of its own, and that table.

``--quick`` tries the whole path on the demo backbone in a minute or two; its numbers mean nothing.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = {
    "coop": ["--classes", "100", "--n-ctx", "16", "--batch", "32", "--many", "1000"],
    "cocoop": ["--classes", "100", "--n-ctx", "4", "--batch", "8"],
    "ship": ["--classes", "100", "--n-ctx", "4", "--batch", "64"],
    "features": ["--images", "128", "--batch", "64", "--rows", "50000,1280000"],
    "sweep": [],
    "startup": [],
}
QUICK = {
    "coop": ["--backbone", "demo", "--classes", "20", "--batch", "4", "--many", "100", "--rounds", "1"],
    "cocoop": ["--backbone", "demo", "--classes", "20", "--batch", "4", "--rounds", "1"],
    "ship": ["--backbone", "demo", "--classes", "20", "--batch", "8", "--rounds", "1"],
    "features": ["--backbone", "demo", "--images", "64", "--rows", "2000,4000", "--rounds", "1"],
    "sweep": ["--shots", "1,2", "--seeds", "1", "--epochs", "1", "--loop-epochs", "1,3", "--rounds", "1"],
    "startup": ["--rounds", "1"],
}
# what, the figure to reach, where it is: bench, row or figure by the start of its name, and key or unit
TABLE = (
    ("CoOp text side, forward + backward, times faster", ">= 20", "coop", "text side", "ratio"),
    ("... share of the rate of its matrix products alone", ">= 0.6", "coop", "text side", "share_of_products_rate"),
    ("CoOp training step, batch 32, times faster", ">= 28", "coop", "training step", "ratio"),
    ("CoCoOp per image, batch 8, times faster", ">= 25", "cocoop", "per image, batch 8", "ratio"),
    ("CoCoOp per image, batch 1, times faster", ">= 20", "cocoop", "per image, batch 1", "ratio"),
    ("SHIP text side, batch 64, times faster", ">= 7", "ship", "text side", "ratio"),
    ("SHIP generator step, batch 64, times faster", "", "ship", "generator step", "ratio"),
    ("CoOp step, times less memory beyond the model", ">= 8", "coop", "times less memory", None),
    ("1,000 classes, time per class against 100", "<= 1.2", "coop", "nothing recomputed", None),
    ("1,000 classes, the same, recomputing", "<= 1.6", "coop", "recomputed", None),
    ("1,000 classes, the whole process, MiB", "<= 4096", "coop", "the whole process", None),
    ("FeatureBank's share of the bare model's images/s", ">= 0.95", "features", "FeatureBank's share", None),
    ("gather of 50,000 rows, s", "<= 1", "features", "gather 50,000", None),
    ("gather of 1,280,000 rows, s", "<= 20", "features", "gather 1,280,000", None),
    ("15-run sweep, overhead a run, s", "<= 1", "sweep", "overhead", None),
    ("Lightning's loop, ms a step", "<= 1", "sweep", "Lightning's loop", None),
    ("promptlab --help, s", "<= 0.5", "startup", "promptlab --help", None),
)


def main() -> None:
    """Run what is asked for; write a JSON file each, and ``table.md`` of all that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--root", help="folder that holds eurosat/: the sweep then runs on EuroSAT")
    parser.add_argument("--rounds", type=int, help="how often each is timed; the command's default if left out")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda; for the benches of steps")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the JSON files and the table")
    parser.add_argument("--quick", action="store_true", help="small settings on the demo backbone")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for bench in options.only:
        arguments = (QUICK if options.quick else BENCHES)[bench]
        if options.rounds and not options.quick:
            arguments = [*arguments, "--rounds", str(options.rounds)]
        if bench in ("coop", "cocoop", "ship", "features"):
            arguments = [*arguments, "--device", options.device, "--precision", options.precision]
        if bench == "sweep" and options.root and not options.quick:
            arguments = [*arguments, "--dataset", "eurosat", "--root", options.root, "--classes", "10"]
        command = [sys.executable, "-m", "promptlab", "bench", bench, *arguments, "--json"]
        sys.stderr.write(f"promptlab bench {bench} {' '.join(arguments)}\n")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"promptlab bench {bench} failed:\n{done.stderr}")
        (options.out / f"{bench}.json").write_text(done.stdout)
    table = table_of({path.stem: json.loads(path.read_text()) for path in options.out.glob("*.json")})
    (options.out / "table.md").write_text(table)
    sys.stdout.write(table)


def table_of(reports: dict) -> str:
    """The figures beside what was to be reached, as Markdown."""
    lines = ["| what | to reach | measured |", "| --- | --- | --- |"]
    for what, bound, bench, name, key in TABLE:
        value = number(reports[bench], name, key) if bench in reports else None
        lines.append(f"| {what} | {bound} | {'' if value is None else f'{value:,.4g}'} |")
    return "\n".join(lines) + "\n"


def number(report: dict, name: str, key: str | None) -> float | None:
    """A row's value, or a figure's; None where the run had none."""
    if key is not None:
        return next((row[key] for row in report["comparisons"] if row["what"].startswith(name)), None)
    found = [f["value"] for f in report["figures"] if name in f["what"] or f["note"].startswith(name)]
    per_class = [f["value"] for f in report["figures"] if f["what"].startswith("time per class")
                 and f["note"].startswith(name)]  # fmt: skip
    return next(iter(per_class or found), None)


if __name__ == "__main__":
    main()
