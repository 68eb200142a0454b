"""Every learner on a GPU beside the CPU: the same scores, and no step that waits for the device.

    python -m experiments.devices.learners --out FOLDER [--device cuda] [--only coop kgcoop]

Each learner trains a few steps on drawn pictures of eight classes with the demo backbone, once on the CPU and once on
the device, and both score base and new classes. A step that waits for the device is told by CUDA's own watch
(``torch.cuda.set_sync_debug_mode``).
"""

import argparse
import csv
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import promptlab.cli.main as cli
from promptlab import load_results
from promptlab.config.compose import composed
from promptlab.config.groups import choices
from promptlab.results.logits import read_logits
from promptlab.training.module import StageModule
from tests.helpers.drawn import pictures

STEPS = 3
COLUMNS = ("learner", "device", "largest difference of a probability", "same answers", "waits in a step", "where",
           "seconds")  # fmt: skip


def main() -> None:
    """Run all; a row each as CSV, and a traceback on standard error where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="*", default=choices("learner"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = list(filter(None, (row_of(name, options.device, options.out) for name in options.only)))
    with (options.out / "learners.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def row_of(name: str, device: str, out: Path) -> tuple[object, ...] | None:
    """What the table says of a learner."""
    try:
        start = time.perf_counter()
        waits = Waits()
        expected = probabilities_of(name, "cpu", out)
        with waits.watched(device):
            found = probabilities_of(name, device, out)
        pairs = list(zip(expected, found, strict=True))
        worst = max(float(abs(one - other).max()) for one, other in pairs)
        same = sum(int((one.argmax(1) == other.argmax(1)).sum()) for one, other in pairs) / sum(map(len, expected))
        seconds = time.perf_counter() - start
        row = (name, device, f"{worst:.1e}", f"{same:.4f}", sum(waits.places.values()), waits.text(), f"{seconds:.1f}")
    except Exception:
        traceback.print_exc()
        row = (name, device, "", "", "", "failed: " + traceback.format_exc().strip().splitlines()[-1], "")
    sys.stderr.write(f"{row}\n")
    return row


def probabilities_of(name: str, device: str, out: Path) -> list[np.ndarray]:
    """Probabilities (N, C) of each part that is scored, after a few steps on a device."""
    results, pictures_of_eight = out / "results" / device / name, out / "pictures"
    if not pictures_of_eight.exists():
        pictures(pictures_of_eight, each=10)
    words = [f"learner={name}", "dataset=folder", f"dataset.path={pictures_of_eight}", "shots=2", "views=0",
             "keep=logits", f"backbone.device={device}", f"results={results}",
             "trainer.enable_progress_bar=false", *shortened(name)]  # fmt: skip
    if cli.main(words):
        raise RuntimeError(f"promptlab {' '.join(words)} failed")
    (result,) = load_results(results)
    parts = result.evaluations.values()
    return [read_logits(result.folder / part.logits).probabilities() for part in parts if part.logits]


def shortened(name: str) -> list[str]:
    """Words that leave each stage of a learner a few steps."""
    learner = composed([f"learner={name}", "shots=2"]).learner
    return [f"{key}={min(STEPS, value)}" for key, value in lengths("learner", learner)]


def lengths(key: str, node: object) -> Iterator[tuple[str, int]]:
    """Epochs and steps in a configuration, with their keys."""
    if hasattr(node, "items"):
        for name, value in node.items():
            if name in ("epochs", "steps") and isinstance(value, int):
                yield f"{key}.{name}", value
            else:
                yield from lengths(f"{key}.{name}", value)


class Waits:
    """Where a gradient step waited for the GPU: CUDA's warnings, by line."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()

    def watched(self, device: str) -> AbstractContextManager[object]:
        """Watch each training step while the block lasts."""
        plain = StageModule.training_step

        def step(module: StageModule, batch: object, index: int) -> torch.Tensor:
            if device == "cpu":
                return plain(module, batch, index)
            torch.cuda.set_sync_debug_mode("warn")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                loss = plain(module, batch, index)
            torch.cuda.set_sync_debug_mode("default")
            self.places.update(f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchroniz" in str(w.message))
            return loss

        return patch.object(StageModule, "training_step", step)

    def text(self) -> str:
        """The lines that waited, with how often."""
        return "; ".join(f"{place} {times}x" for place, times in self.places.most_common(5))


if __name__ == "__main__":
    main()
