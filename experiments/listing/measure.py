"""How long an ImageNet-sized dataset takes to open, and how much memory: each way in a process of its own.

python experiments/listing/measure.py [--classes 1000] [--per-class 1281] [--out experiments/listing/results.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WAYS = {
    "imagenet (folders)": "promptlab.data.benchmarks.read_benchmark",
    "a split file of CoOp's form": "promptlab.data.readers.split_file.read_coop_split",
    "dataset=json": "promptlab.data.readers.lists.read_json",
    "dataset=csv": "promptlab.data.readers.lists.read_csv",
    "dataset=folder": "promptlab.data.readers.folder.read_folder",
}
VAL_PER_CLASS = 50
OPEN = """
import json, re, sys, time
from pathlib import Path
from importlib import import_module

def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) * 1024

def node(target, root):
    from promptlab.data.benchmarks.imagenet import imagenet_folders
    base = root / "imagenet"
    return {
        "read_benchmark": lambda read: read("imagenet", root, folders=["imagenet/images"], index=imagenet_folders),
        "read_coop_split": lambda read: read("mine", root, folder="imagenet", split_file="split.json",
                                             image_folder="images"),
        "read_json": lambda read: read("mine", base / "split.json", images=str(base / "images"), validate=False),
        "read_csv": lambda read: read("mine", base / "list.csv", images=str(base / "images"), validate=False),
        "read_folder": lambda read: read("mine", root / "own", validate=False),
    }[target]

module, _, name = sys.argv[1].rpartition(".")
read = getattr(import_module(module), name)
imported = peak()
open_it = node(name, Path(sys.argv[2]))
start, cpu_start = time.perf_counter(), time.process_time()
data = open_it(read)
opened, cpu, opened_peak = time.perf_counter() - start, time.process_time() - cpu_start, peak()
from promptlab.protocols.few_shot import few_shot
start = time.perf_counter()
task = few_shot(data, shots=16, seed=1, val="few")
built = time.perf_counter() - start
print(json.dumps({"images": len(data.train) + len(data.test), "classes": len(data.class_names),
                  "open_s": opened, "open_cpu_s": cpu, "peak_bytes": opened_peak, "imported_bytes": imported,
                  "few_shot_s": built, "few_shot_peak_bytes": peak(), "drawn": len(task.train),
                  "last": data.train.source.describe(len(data.train.source) - 1)}))
"""


def main() -> None:
    """Generate, open each way in its own process, write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--per-class", type=int, default=1281)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="listing-") as folder:
        generate(Path(folder), options.classes, options.per_class)
        rows = [
            {"way": way, **measured(target, folder)} for _ in range(options.repeats) for way, target in WAYS.items()
        ]
    for row in rows:
        opened = (
            f"open {row['open_s']:5.2f} s (CPU {row['open_cpu_s']:5.2f} s) {float(row['peak_bytes']) / 1e6:5.0f} MB"
        )
        drawn = f"few_shot {row['few_shot_s']:5.2f} s {float(row['few_shot_peak_bytes']) / 1e6:5.0f} MB"
        print(f"{row['way']:30} {row['images']:>9,} images  {opened}  {drawn}")
    if options.out:
        about = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.platform()}
        options.out.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


def generate(root: Path, classes: int, per_class: int) -> None:
    """ImageNet's folders, a class's names being hard links to one file (2,000 inodes, not 1.3 million), and lists.

    Opening reads listings and lists, never an image, so what the names lead to makes no difference to it.
    """
    base = root / "imagenet"
    wnids = [f"n{10_000_000 + 7 * number}" for number in range(classes)]
    lists: dict[str, list[tuple[str, int, str]]] = {"train": [], "val": [], "test": []}
    for label, wnid in enumerate(wnids):
        for split, count in (("train", per_class), ("val", VAL_PER_CLASS)):
            inside = base / "images" / split / wnid
            inside.mkdir(parents=True)
            first = inside / f"{wnid}_0.JPEG"
            first.write_bytes(b"x")
            for number in range(1, count):
                (inside / f"{wnid}_{number}.JPEG").hardlink_to(first)
            rows = [(f"{split}/{wnid}/{wnid}_{number}.JPEG", label, f"class name {label}") for number in range(count)]
            lists["train" if split == "train" else "test"] += rows
    (base / "classnames.txt").write_text("".join(f"{wnid} class name {n}\n" for n, wnid in enumerate(wnids)))
    (base / "split.json").write_text(json.dumps(lists))
    with open(base / "list.csv", "w") as table:
        table.write("path,label,split\n")
        for split, rows in lists.items():
            table.writelines(f"{path},{name},{split}\n" for path, _, name in rows)
    (root / "own").mkdir()
    (root / "own" / "train").symlink_to(base / "images" / "train")
    (root / "own" / "test").symlink_to(base / "images" / "val")


def measured(target: str, root: str) -> dict[str, Any]:
    """The figures of one opening, in a fresh process."""
    done = subprocess.run([sys.executable, "-c", OPEN, target, root], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
