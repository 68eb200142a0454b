"""Turn a folder of Results into one CSV: a row per run and evaluation, with what it was and where it came from."""

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
                if part.metrics is None or part.zero_shot is None:
                    continue
                facts = (run.dataset, run.protocol, run.learner, run.backbone, run.shots, run.views, run.seed, name)
                scores = (part.metrics.top1, part.metrics.mean_class_accuracy, part.zero_shot.top1)
                numbers = (part.metrics.images, *(f"{score:.4f}" for score in scores), f"{run.seconds.fit:.1f}")
                writer.writerow((*facts, *numbers, run.fit_id, part.eval_id, commit))


if __name__ == "__main__":
    main()
