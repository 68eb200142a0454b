"""The full-size path: ViT-B/16 with random weights, CoOp with M=16, on a subset of EuroSAT's real images."""

import argparse
import time

import promptlab
from promptlab.data import read_coop_split


def main() -> None:
    """Encode, fit, evaluate, and print seconds by phase."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True, help="folder that holds eurosat/ in CoOp's layout")
    parser.add_argument("--per-class", type=int, default=20, help="test images per class")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    layout = {"folder": "eurosat", "split_file": "split_zhou_EuroSAT.json", "image_folder": "2750"}
    data = read_coop_split("eurosat", options.root, template="a centered satellite photo of {}.", **layout)
    picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=2, seed=1)
    few, _ = promptlab.sample_few_shot(data.test.labels, data.val.labels, shots=options.per_class, seed=1)
    train, test = data.train.take(picks), data.test.take(few)
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        clock, before = time.perf_counter(), clock
        print(f"{name:28} {clock - before:6.1f} s")

    clip = promptlab.load_clip("ViT-B-16", "random", seed=0)
    lap("build ViT-B/16")
    bank = promptlab.FeatureBank()
    bank.features(clip, test)
    bank.features(clip, train, views=2)
    lap(f"encode {len(test)} + {len(train)} x 2 images")
    learner = promptlab.CoOp(clip, data.class_names, n_ctx=16, optim=promptlab.Optim(epochs=options.epochs))
    report = promptlab.fit(learner, train, bank=bank, views=2, trainer={"enable_progress_bar": False})
    lap(f"fit {options.epochs} epochs")
    metrics = promptlab.evaluate(learner, test, bank)
    lap("evaluate")
    zero_shot = promptlab.evaluate(promptlab.ZeroShot(clip, data.class_names, template=data.template), test, bank)
    print(f"loss {report.curve[0].loss:.3f} -> {report.curve[-1].loss:.3f}")
    print(f"top-1 {100 * metrics.top1:.1f} %, zero-shot {100 * zero_shot.top1:.1f} %, chance 10 %")


if __name__ == "__main__":
    main()
