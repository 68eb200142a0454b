"""How much of the bare backbone's rate `promptlab predict` keeps on JPEG files, and whether its memory grows.

    python experiments/performance/predict.py --pictures FOLDER --backbone vit_b16 --number 1000 --rounds 3

Weights are random where they would be downloaded. The bare side encodes as many pictures that are decoded and
preprocessed already, in the same batches; both sides run in turn, and medians are compared. Appends to
``predict.json``.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import promptlab
from promptlab.bench.settings import Settings
from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.pictures.picture import open_picture
from promptlab.support import machine

OUT = Path(__file__).parent / "predict.json"
BATCH = 64


def main() -> None:
    """Measure, print and append a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--backbone", default="demo", help="demo, or a name of open_clip's, with random weights")
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    clip = promptlab.load_clip("demo") if options.backbone == "demo" else Settings(backbone=options.backbone).load()
    paths = [str(path) for path in sorted(options.pictures.rglob("*.jpg"))[: options.number]]
    learner = promptlab.ZeroShot(clip, ["a cat", "a dog", "a bird", "a plane"])
    inputs = torch.stack([clip.preprocess(open_picture(path)) for path in paths[:BATCH]])
    sides = {"bare": lambda: bare(clip, inputs, len(paths)), "predict": lambda: predict(learner, paths)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    predict(learner, paths[:BATCH])
    for _ in range(options.rounds):
        for name, side in sides.items():
            seconds[name].append(timed(side))
    before = machine.restart_peak()
    predict(learner, paths)
    row = {
        "backbone": options.backbone,
        "device": str(clip.device),
        "pictures": len(paths),
        "threads": torch.get_num_threads(),
        **{f"{name}, pictures/s": round(len(paths) / statistics.median(own), 1) for name, own in seconds.items()},
        "share": round(statistics.median(seconds["bare"]) / statistics.median(seconds["predict"]), 3),
        "memory beyond, MB": round((machine.peak_memory_bytes() - before) / 1e6, 1),
    }
    print(json.dumps(row, indent=1))
    rows = json.loads(OUT.read_text()) if OUT.exists() else []
    OUT.write_text(json.dumps([*rows, row], indent=1) + "\n")


def bare(clip: FrozenCLIP, inputs: torch.Tensor, number: int) -> None:
    """Encode as many pictures, which are there already."""
    with torch.inference_mode():
        for start in range(0, number, BATCH):
            clip.encode_images(inputs[: min(BATCH, number - start)].to(clip.device)).cpu()


def predict(learner: promptlab.PromptLearner, paths: list[str]) -> None:
    """All rows, from files."""
    for row in promptlab.predict_stream(learner, paths, batch_size=BATCH):
        assert row.error is None, row


def timed(side: Callable[[], None]) -> float:
    """Seconds."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
