"""Score settings of SHIP's generator on validation images of base and new classes: no test image is read.

``measure.py OUT.csv [DATA]``: DATA holds CoOp's layout of EuroSAT; the demo's pictures need nothing.
"""

import csv
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import promptlab
from promptlab.data.sampling import base_new_classes, sample_few_shot

PAPER = promptlab.Optim(name="adamw", lr=1e-3, weight_decay=0.01, epochs=50, batch_size=256, drop_last=False,
                        schedule="constant", warmup_epochs=0)  # fmt: skip
PLAIN = promptlab.Optim(momentum=0.0, weight_decay=0.0, batch_size=256, drop_last=False, schedule="cosine_per_step",
                        warmup_epochs=0)  # fmt: skip
SETTINGS = {  # generator's optimiser, inner optimiser
    "CoOp without SHIP": (None, promptlab.Optim()),
    "paper's generator, paper's CoOp": (PAPER, PLAIN),
    "paper's generator, CoOp's own recipe": (PAPER, promptlab.Optim()),
    "batch 32, CoOp's own recipe": (replace(PAPER, batch_size=32), promptlab.Optim()),
    "batch 32, 200 epochs, CoOp's own recipe": (replace(PAPER, batch_size=32, epochs=200), promptlab.Optim()),
}


def main() -> None:
    """Fit every setting with three seeds and write a row per fit."""
    out, *data = sys.argv[1:]
    clip = promptlab.load_clip("demo")
    datasets = [promptlab.demo_dataset("demo_shapes")]
    if data:
        from promptlab.config.check import check
        from promptlab.config.compose import composed

        datasets.append(check(composed(["dataset=eurosat", f"data.root={data[0]}"])).dataset.make())
    with Path(out).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("dataset", "setting", "seed", "base", "new", "H"))
        for dataset in datasets:
            for setting in SETTINGS:
                for seed in (1, 2, 3):
                    base, new = scores(clip, dataset, setting, seed)
                    row = (base, new, 2 * base * new / (base + new))
                    writer.writerow((dataset.name, setting, seed, *(f"{score:.4f}" for score in row)))
                    file.flush()


def scores(clip: promptlab.FrozenCLIP, dataset: object, setting: str, seed: int) -> tuple[float, float]:
    """Validation accuracy on base and on new classes, each over its own label space."""
    generator_optim, inner_optim = SETTINGS[setting]
    names = dataset.class_names
    base, new = base_new_classes(len(names))
    picks, _ = sample_few_shot(dataset.train.labels, dataset.val.labels, shots=16, seed=seed)
    train = dataset.train.take(picks).of_classes(base)
    inner = partial(promptlab.CoOp, ctx_init="a photo of a", optim=inner_optim)
    stream = torch.Generator().manual_seed(seed)
    if generator_optim is None:
        learner = inner(clip, [names[i] for i in base], generator=stream)
    else:
        has_images = [label in set(base) for label in range(len(names))]
        learner = promptlab.SHIP(
            clip, names, inner=inner, has_images=has_images, template=dataset.template,
            generator_optim=generator_optim, generator=stream,
        )  # fmt: skip
    promptlab.fit(learner, train, views=16, seed=seed, trainer={"enable_progress_bar": False})
    found = []
    for half in (base, new):
        scorer = learner.rebind([names[i] for i in half], dataset.template)
        found.append(promptlab.evaluate(scorer, dataset.val.of_classes(half)).top1)
    return found[0], found[1]


if __name__ == "__main__":
    main()
