"""What bf16 costs in accuracy: features, zero-shot logits, and top-1 of learners, beside fp32.

    OMP_NUM_THREADS=1 nice -n 19 python experiments/precision/measure.py DATA WORK

DATA holds eurosat/ as CoOp lays it out; results and features go to WORK, and what is there already isn't done again.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch

import promptlab
from promptlab.config.check import check
from promptlab.config.compose import composed, register
from promptlab.results.predictions import read_predictions
from promptlab.runs.run import Outcome, run

HERE = Path(__file__).parent
PRECISIONS, SEEDS = ("fp32", "bf16"), (1, 2, 3)
LEARNERS: dict[str, tuple[str, ...]] = {  # and what is shortened, for both precisions alike
    "zero_shot": (),
    "tip_adapter": (),
    "gda": (),
    "linear_probe": (),
    "clip_adapter": (),
    "taskres": (),
    "tip_adapter_f": (),
    "clap": (),
    "lp_plus_plus": (),
    "coop": ("learner.optim.epochs=20",),
    "kgcoop": ("learner.optim.epochs=20",),
    "cocoop": ("learner.optim.epochs=2",),
    "maple": ("learner.optim.epochs=2",),
}
SLOW = ("cocoop", "maple")
"""Fitted after all others: one image a step, or the image tower in every step."""
DATASETS = {"demo_shapes": tuple(LEARNERS), "eurosat": tuple(name for name in LEARNERS if name != "maple")}
COMMON = ("protocol=few_shot", "shots=16", "views=4", "backbone.device=cpu", "trainer.enable_progress_bar=false")


def main(root: str, work: str) -> None:
    """Write ``features.csv``, ``runs.csv`` (a row per fit) and ``table.md``."""
    os.environ.setdefault("PROMPTLAB_CACHE", str(Path(work, "cache").absolute()))
    register()
    words = (*COMMON, f"data.root={root}", f"results={work}/results")
    write("features.csv", [features_of(dataset, words) for dataset in DATASETS])
    rows = []
    for dataset, learner in sorted(places(), key=lambda place: place[1] in SLOW):
        rows += compared(dataset, learner, words)
        write("runs.csv", sorted(rows, key=lambda row: places().index((row["dataset"], row["learner"]))))
        (HERE / "table.md").write_text("\n".join(table(rows)) + "\n")


def places() -> list[tuple[str, str]]:
    """Every dataset with every learner that is fitted on it, in the order of the table."""
    return [(dataset, learner) for dataset, learners in DATASETS.items() for learner in learners]


def features_of(dataset: str, words: Sequence[str]) -> dict[str, Any]:
    """How far bf16's features and zero-shot logits of all test images are from fp32's."""
    rows, logits = [], []
    for precision in PRECISIONS:
        settings = check(composed([f"dataset={dataset}", f"backbone.precision={precision}", *words]))
        data, clip = settings.dataset.make(), settings.backbone.make()
        found = promptlab.FeatureBank().features(clip, data.test)
        rows.append(torch.nn.functional.normalize(found.double(), dim=-1))
        learner = promptlab.ZeroShot(clip, data.class_names, template=data.template)
        logits.append(learner(found).double())
    cosine = 1 - (rows[0] * rows[1]).sum(-1)
    gap, same = (logits[1] - logits[0]).abs(), logits[0].argmax(-1) == logits[1].argmax(-1)
    return {
        "dataset": dataset,
        "images": len(cosine),
        "cosine error, mean": f"{float(cosine.mean()):.2e}",
        "cosine error, max": f"{float(cosine.max()):.2e}",
        "logit difference, mean": f"{float(gap.mean()):.4f}",
        "logit difference, max": f"{float(gap.max()):.4f}",
        "logits' range": f"{float(logits[0].max() - logits[0].min()):.2f}",
        "same answer": f"{float(same.double().mean()):.4f}",
    }


def compared(dataset: str, learner: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A row per seed: both accuracies, and how many test images get the same answer."""
    for seed in SEEDS:
        chosen = (f"dataset={dataset}", f"learner={learner}", f"seed={seed}", *LEARNERS[learner])
        done = [run(check(composed([*chosen, f"backbone.precision={precision}", *words]))) for precision in PRECISIONS]
        top1 = [one.result.evaluations["test"].metrics.top1 for one in done]
        first, second = (answers(one) for one in done)
        yield {"dataset": dataset, "learner": learner, "seed": seed, **dict(zip(PRECISIONS, top1, strict=True)),
               "same answer": (first == second).mean()}  # fmt: skip


def answers(done: Outcome) -> Any:
    """The predicted class of every test image."""
    name = done.result.evaluations["test"].predictions
    assert name is not None
    return read_predictions(done.folder / name).top_ids[:, 0]


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown: a line per dataset and learner, means over the seeds in percent."""
    yield "| dataset | learner | fp32 | bf16 | difference | largest of a seed | same answer |"
    yield "| --- | --- | --: | --: | --: | --: | --: |"
    for dataset, learner in places():
        own = [row for row in rows if (row["dataset"], row["learner"]) == (dataset, learner)]
        if not own:
            continue
        gaps = [100 * (row["bf16"] - row["fp32"]) for row in own]
        fp32, bf16, same = (100 * mean(row[key] for row in own) for key in (*PRECISIONS, "same answer"))
        cells = f"{fp32:.2f} | {bf16:.2f} | {mean(gaps):+.2f} | {max(gaps, key=abs):+.2f} | {same:.1f}"
        yield f"| {dataset} | {learner} | {cells} |"


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table beside this script."""
    with (HERE / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
