"""How long a trainer waits for pictures, of each epoch of MaPLe with the demo's towers.

python experiments/performance/waiting.py            # waiting.csv, waiting.md; --epochs, --rounds, --shots
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch

import promptlab
from promptlab.learners.base.optim import Optim
from promptlab.training.image_loader import ImageLoader

HERE = Path(__file__).parent
BATCH = 4


class Watch:
    """Counts what passes between asking for a batch and getting it, epoch by epoch."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.lasted: list[float] = []
        self._plain = ImageLoader.__iter__

    def __enter__(self) -> Watch:
        watch = self

        def iterate(loader: ImageLoader) -> Iterator[Any]:
            batches, waited, began = iter(watch._plain(loader)), 0.0, time.perf_counter()
            for left in reversed(range(len(loader))):
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked
                if not left:  # Lightning doesn't ask for more than there is
                    watch.waited.append(waited)
                    watch.lasted.append(time.perf_counter() - began)
                yield batch

        ImageLoader.__iter__ = iterate
        return self

    def __exit__(self, *error: object) -> None:
        ImageLoader.__iter__ = self._plain


def measured(workers: int, epochs: int, shots: int) -> dict[str, Any]:
    """One fit: medians over its epochs."""
    clip, data = promptlab.load_clip("demo", device="cpu"), promptlab.demo_dataset("demo_shapes")
    picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=shots, seed=1)
    optim = Optim(epochs=epochs, batch_size=BATCH, warmup_epochs=0, lr=0.0035)
    learner = promptlab.MaPLe(clip, data.class_names, n_ctx=2, depth=3, optim=optim)
    with Watch() as watch:
        promptlab.fit(learner, data.train.take(picks), trainer={"enable_progress_bar": False}, workers=workers)
    share = median(100 * wait / last for wait, last in zip(watch.waited, watch.lasted, strict=True))
    return {
        "workers": workers,
        "pictures": len(picks),
        "epoch, s": f"{median(watch.lasted):.2f}",
        "waited, s": f"{median(watch.waited):.3f}",
        "waited, %": f"{share:.1f}",
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Without processes and with one, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=4)
    options = parser.parse_args()
    rows = [measured(workers, options.epochs, options.shots) for _ in range(options.rounds) for workers in (0, 1)]
    with (HERE / "waiting.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    table = ["| " + " | ".join(rows[0]) + " |", "| --: " * len(rows[0]) + "|"]
    table += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    (HERE / "waiting.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
