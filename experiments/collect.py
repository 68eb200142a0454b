"""Turn a folder of Results into one CSV: a row per run and evaluation, with what it was and where it came from.

A score that there isn't is an empty cell.
"""

import csv
import sys
from pathlib import Path

from promptlab import load_results

COLUMNS = (
    "dataset", "protocol", "learner", "backbone", "shots", "views", "seed", "evaluation", "images", "top1",
    "mean_class_accuracy", "zero_shot_top1", "fit_seconds", "fit_id", "eval_id", "commit",
)  # fmt: skip


def main() -> None:
    """``collect.py RESULTS OUT.csv``."""
    results, out = sys.argv[1:]
    with Path(out).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in load_results(results):
            commit = "" if run.git is None else run.git.commit[:12] + ("+" if run.git.dirty else "")
            for name, part in run.evaluations.items():
                facts = (run.dataset, run.protocol, run.learner, run.backbone, run.shots, run.views, run.seed, name)
                own, plain = part.metrics, part.zero_shot
                scores = (own and own.top1, own and own.mean_class_accuracy, plain and plain.top1)
                numbers = ("" if score is None else f"{score:.4f}" for score in scores)
                images = next((metrics.images for metrics in (own, plain) if metrics), "")
                ids = (f"{run.seconds.fit:.1f}", run.fit_id, part.eval_id, commit)
                writer.writerow((*facts, images, *numbers, *ids))


if __name__ == "__main__":
    main()
