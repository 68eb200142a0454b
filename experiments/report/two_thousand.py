"""Two thousand Results as a big few-shot study leaves them, and what their page takes.

``python experiments/report/two_thousand.py FOLDER`` writes the Results (CoOp's eleven datasets with their numbers of
classes and test images; eleven learners, five numbers of shots, three seeds; base-to-new by six of them) unless they
are there, then makes their page in a new process five times and prints the fastest and the median time, its processor
time and its size. The numbers in the Results are drawn, not measured.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptlab.results.document import Result, harmonic_of
from promptlab.results.ids import EvalFacts, FitFacts, eval_id, fit_id
from promptlab.results.predictions import Predictions, predictions_name, write_predictions
from promptlab.results.schema import (
    EpochRecord,
    EvaluationResult,
    GitCommit,
    Host,
    Metrics,
    Reliability,
    Seconds,
    TrainedParameters,
)
from promptlab.results.store import run_dir, write_result

DATASETS = {  # classes, test images, zero-shot CLIP's accuracy
    "imagenet": (1000, 50_000, 0.67),
    "caltech101": (100, 2_465, 0.93),
    "oxford_pets": (37, 3_669, 0.89),
    "stanford_cars": (196, 8_041, 0.65),
    "oxford_flowers": (102, 2_463, 0.71),
    "food101": (101, 30_300, 0.86),
    "fgvc_aircraft": (100, 3_333, 0.25),
    "sun397": (397, 19_850, 0.63),
    "dtd": (47, 1_692, 0.44),
    "eurosat": (10, 8_100, 0.48),
    "ucf101": (101, 3_783, 0.67),
}
LEARNERS = {  # points gained at 16 shots
    "coop": 0.09,
    "cocoop": 0.06,
    "kgcoop": 0.08,
    "prograd": 0.085,
    "maple": 0.10,
    "promptsrc": 0.12,
    "tcp": 0.11,
    "dept": 0.105,
    "clip_adapter": 0.07,
    "tip_adapter_f": 0.11,
    "linear_probe": 0.04,
}
BASE_TO_NEW = ("coop", "cocoop", "kgcoop", "maple", "promptsrc", "tcp")
SHOTS, SEEDS, EPOCHS = (1, 2, 4, 8, 16), (1, 2, 3), {1: 50, 2: 100, 4: 100, 8: 200, 16: 200}
KEPT = ("promptsrc", 16)
"""The page reads predictions of the leading learner at one number of shots; others aren't written."""
ADJECTIVES = ("spotted", "striped", "long", "common", "red", "great", "lesser", "northern", "old", "painted")
NOUNS = ("warbler", "sedan", "church", "violin", "orchid", "terrier", "jet", "pasta", "canyon", "pattern", "exercise")
EDGES = tuple(round(at / 15, 12) for at in range(16))


@dataclass(frozen=True)
class Scored:
    """Drawn predictions of one evaluation set: labels, whether right, confidence, each (N,)."""

    labels: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]

    def metrics(self, classes: int) -> Metrics:
        """What they score."""
        images = np.bincount(self.labels, minlength=classes)
        correct = np.bincount(self.labels, weights=self.right, minlength=classes)
        per_class = [float(c / n) if n else None for c, n in zip(correct, images, strict=True)]
        known = [score for score in per_class if score is not None]
        mean = sum(known) / len(known)
        return Metrics(
            top1=float(self.right.mean()),
            mean_class_accuracy=mean,
            macro_f1=0.99 * mean,
            images=len(self.labels),
            per_class_accuracy=tuple(per_class),
            per_class_images=tuple(map(int, images)),
            reliability=self._reliability(),
        )

    def _reliability(self) -> Reliability:
        bins = np.minimum((self.confidence * 15).astype(int), 14)
        count = np.bincount(bins, minlength=15)
        sums = [np.bincount(bins, weights=of, minlength=15) for of in (self.confidence, self.right)]
        means = [[float(s / n) if n else None for s, n in zip(of, count, strict=True)] for of in sums]
        ece = float(np.abs(sums[0] - sums[1]).sum() / len(bins))
        return Reliability(
            edges=EDGES,
            count=tuple(map(int, count)),
            mean_confidence=tuple(means[0]),
            accuracy=tuple(means[1]),
            ece=ece,
        )


def class_names(classes: int) -> tuple[str, ...]:
    """As many names of two or three words."""
    names = (f"{ADJECTIVES[at % 10]} {NOUNS[at // 10 % 11]}" for at in range(classes))
    return tuple(name if at < 110 else f"{name} {at}" for at, name in enumerate(names))


def draw(random: np.random.Generator, classes: int, images: int, accuracy: float) -> Scored:
    """Predictions of about that accuracy, harder for some classes than for others."""
    labels = np.arange(images) % classes
    odds = np.clip(accuracy + 0.15 * np.sin(labels * 1.7), 0.02, 0.99)
    right = random.random(images) < odds
    confidence = np.clip(random.beta(5, 2, images) * (0.75 + 0.25 * right), 0.01, 0.999)
    return Scored(labels, right, confidence)


def make(root: Path) -> int:
    """Write all Results; returns how many."""
    random = np.random.default_rng(1)
    count = 0
    for dataset, (classes, images, zero_shot) in DATASETS.items():
        baseline = draw(random, classes, images, zero_shot)
        for learner, gain in LEARNERS.items():
            for shots in SHOTS:
                for seed in SEEDS:
                    accuracy = min(0.97, zero_shot + gain * (0.2 + 0.2 * np.log2(shots)) * (1.4 - zero_shot))
                    sets = {"test": (classes, images, accuracy + 0.006 * random.standard_normal())}
                    write(root, random, "few_shot", dataset, learner, shots, seed, sets, {"test": baseline})
                    count += 1
        half, tested = classes // 2, images // 2
        easier = {"base": 0.04, "new": 0.06}
        baselines = {name: draw(random, half, tested, zero_shot + more) for name, more in easier.items()}
        for learner in BASE_TO_NEW:
            for seed in SEEDS:
                higher = zero_shot + LEARNERS[learner] + 0.006 * random.standard_normal()
                found = {"base": higher, "new": higher - 0.08}
                sets = {name: (half, tested, min(0.97, accuracy)) for name, accuracy in found.items()}
                write(root, random, "base_to_new", dataset, learner, 16, seed, sets, baselines)
                count += 1
    return count


def write(
    root: Path,
    random: np.random.Generator,
    protocol: str,
    dataset: str,
    learner: str,
    shots: int,
    seed: int,
    sets: dict[str, tuple[int, int, float]],
    baselines: dict[str, Scored],
) -> None:
    """One run's Result, and its predictions if the page will read them."""
    known = class_names(next(iter(sets.values()))[0])
    fit = FitFacts(
        learner=f"promptlab.learners.{learner}",
        learner_arguments={"n_ctx": 16, "optim": {"name": "sgd", "lr": 0.002, "epochs": EPOCHS[shots]}},
        learner_version=1,
        seed=seed,
        class_names=known,
        has_images=(True,) * len(known),
        template="a photo of a {}.",
        train_digest=f"{protocol}{dataset}{shots}{seed}",
        val_digest=None,
        views=16,
        selection="last",
        trainer={},
        image_transforms=("eval-224px-934424cc292c", "train-224px-934424cc292c"),
        backbone_fingerprint="5ce624331cb16297",
        precision="fp32",
    )
    identity = fit_id(fit)
    folder = run_dir(root, dataset, protocol, learner, identity)
    kept = (learner, shots) == KEPT
    evaluations = {}
    for name, (classes, images, accuracy) in sets.items():
        facts = EvalFacts(
            name=name,
            items_digest=f"{dataset}{name}",
            class_names=class_names(classes),
            template="a photo of a {}.",
            image_transform="eval-224px-934424cc292c",
        )
        scored = draw(random, classes, images, accuracy)
        evaluations[name] = EvaluationResult(
            dataset=dataset,
            eval_id=eval_id(identity, facts),
            facts=facts,
            metrics=scored.metrics(classes),
            reason=None,
            zero_shot=baselines[name].metrics(classes),
            predictions=predictions_name(name),
        )
        if kept:
            write_predictions(folder, predictions(random, scored, facts, evaluations[name].eval_id))
    losses = 3 * np.exp(-np.arange(EPOCHS[shots]) / 40) + 0.1 * random.random(EPOCHS[shots])
    write_result(
        folder,
        Result(
            created="2026-11-26T18:42:54+00:00",
            protocol=protocol,
            dataset=dataset,
            learner=learner,
            backbone="ViT-B-16-quickgelu/openai",
            fit_id=identity,
            fit=fit,
            config=configuration(dataset, protocol, learner, shots, seed),
            seed=seed,
            shots=shots,
            views=16,
            epochs={"context": EPOCHS[shots]},
            selection="last epoch",
            train_images=shots * len(known),
            val_images=0,
            evaluations=evaluations,
            harmonic=harmonic_of(evaluations, ("base", "new") if "base" in evaluations else None),
            learning_curve=tuple(
                EpochRecord(stage="context", epoch=at, loss=float(loss), accuracy=0.5, learning_rate=0.002)
                for at, loss in enumerate(losses)
            ),
            trained_parameters=TrainedParameters(count=8192, shapes={"context": (16, 512)}),
            seconds=Seconds(load=0.4, features=1.2, fit=float(20 + shots * random.random()), evaluate=2.1),
            peak_memory_bytes_of_process=3_000_000_000,
            versions={"promptlab": "0.4.0", "torch": "2.15.0", "lightning": "2.6.0", "numpy": "2.3.0"},
            git=GitCommit(commit="0" * 40, dirty=False),
            host=Host(platform="Linux", python="3.12.0", cpu_count=2, torch_threads=2, device="cpu"),
            notes=(),
        ),
    )


def predictions(random: np.random.Generator, scored: Scored, facts: EvalFacts, identity: str) -> Predictions:
    """The drawn predictions as the file that a run leaves; classes are taken for a neighbour."""
    classes, images = len(facts.class_names), len(scored.labels)
    best = np.where(scored.right, scored.labels, (scored.labels + random.integers(1, 4, images)) % classes)
    others = (best[:, None] + np.arange(5)) % classes
    share = np.array([1.0, 0.2, 0.1, 0.05, 0.01])
    return Predictions(
        evaluation=facts.name,
        eval_id=identity,
        class_names=facts.class_names,
        labels=scored.labels.astype(np.int32),
        top_ids=others.astype(np.int32),
        top_probabilities=(scored.confidence[:, None] * share).astype(np.float32),
        image_ids=random.integers(0, 256, (images, 16)).astype(np.uint8),
        files=tuple(f"images/{label:04d}/{at:06d}.jpg" for at, label in enumerate(scored.labels)),
    )


def configuration(dataset: str, protocol: str, learner: str, shots: int, seed: int) -> dict[str, object]:
    """As Hydra composes one."""
    optim = {"_target_": "promptlab.training.Optim", "name": "sgd", "lr": 0.002, "epochs": EPOCHS[shots]}
    return {
        "backbone": {"_target_": "promptlab.clip.load_clip", "name": "ViT-B-16-quickgelu", "pretrained": "openai"},
        "dataset": {"_target_": "promptlab.data.read_split_file", "name": dataset, "path": f"data/{dataset}"},
        "protocol": {"name": protocol, "_target_": f"promptlab.protocols.{protocol}"},
        "learner": {"name": learner, "_target_": f"promptlab.learners.{learner}", "n_ctx": 16, "optim": optim},
        "shots": shots,
        "seed": seed,
        "views": 16,
        "crop_scale": [0.08, 1.0],
        "val": "none",
        "select": "last",
        "force": False,
    }


def measure(root: Path, times: int = 5) -> None:
    """Make the page in new processes and print what it takes."""
    page = root.parent / "page.html"
    walls, processor = [], []
    for _ in range(times):
        before, started = os.times(), time.perf_counter()
        command = [sys.executable, "-m", "promptlab", "report", str(root), "--html", str(page)]
        if os.spawnv(os.P_WAIT, sys.executable, command):
            raise SystemExit("the page could not be made")
        walls.append(time.perf_counter() - started)
        after = os.times()
        processor.append(sum(after[2:4]) - sum(before[2:4]))
    print(f"wall s: fastest {min(walls):.1f}, median {statistics.median(walls):.1f}; "
          f"processor s: {min(processor):.1f}; page MB: {page.stat().st_size / 1e6:.2f}")  # fmt: skip


if __name__ == "__main__":
    folder = Path(sys.argv[1]) / "results"
    if not folder.exists():
        print(f"{make(folder)} results")
    measure(folder)
