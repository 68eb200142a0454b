"""How time and memory of promptlab's steps grow with classes, context length and images.

Writes one JSON object a line, so that an interrupted measurement goes on where it stood. Each point is a process of its
own. ``--quick`` tries the path on the demo backbone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CLASSES = (10, 30, 100, 300, 1000)
CONTEXTS = (1, 2, 4, 8, 16)
IMAGES = (100, 300, 1000, 3000, 10000, 27000)


def main() -> None:
    """Measure every point that isn't in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="ViT-B-16-quickgelu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "points.jsonl")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        sys.stdout.write(json.dumps(measured(json.loads(options.point))))
        return
    done = set()
    if options.out.exists():
        done = {key(json.loads(line)) for line in options.out.read_text().splitlines()}
    backbone, rounds = ("demo", 1) if options.quick else (options.backbone, options.rounds)
    for point in points(backbone, rounds, options.quick):
        if key(point) in done:
            continue
        command = [sys.executable, __file__, "--point", json.dumps(point)]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            raise SystemExit(f"{point} failed:\n{answer.stderr}")
        with options.out.open("a") as file:
            file.write(json.dumps(point | json.loads(answer.stdout)) + "\n")
        sys.stderr.write(f"{point}\n")


def key(point: dict) -> tuple:
    """What tells a point from others."""
    return point["what"], point["n"], point["classes"], point["n_ctx"], point["backbone"]


def points(backbone: str, rounds: int, quick: bool) -> list[dict]:
    """One factor at a time: the others are those of CoOp's paper."""
    few, base = (2, 20) if quick else (None, 100)
    common = {"backbone": backbone, "rounds": rounds, "classes": base, "n_ctx": 16}
    found = []
    for learner in ("coop", "cocoop"):
        found += [common | {"what": f"{learner} classes", "n": C, "classes": C} for C in CLASSES[:few]]
        found += [common | {"what": f"{learner} context", "n": M, "n_ctx": M} for M in CONTEXTS[:few]]
    found += [common | {"what": "gather images", "n": N} for N in IMAGES[:few]]
    # encoding is one image after the other; the demo's tower reaches the whole range in minutes
    return found + [common | {"what": "encode images", "n": N, "backbone": "demo"} for N in IMAGES[:few]]


def measured(point: dict) -> dict:
    """Median seconds of this point, and bytes beyond the model; the first call is where memory is counted."""
    from promptlab.bench.peak import peak_of
    from promptlab.bench.settings import Settings
    from promptlab.bench.timing import timed

    settings = Settings(backbone=point["backbone"], classes=point["classes"], n_ctx=point["n_ctx"],
                        batch=1 if point["what"].startswith("cocoop") else 32)  # fmt: skip
    clip = settings.load()
    with tempfile.TemporaryDirectory() as folder:
        step = step_of(point, settings, clip, Path(folder))
        peak = peak_of(step, clip.device)["beyond"]
        once = point["what"] == "encode images"  # a second call would only gather
        rounds = 1 if once else point["rounds"]
        seconds = [timed(step, clip.device) for _ in range(rounds)]
    return {"seconds": statistics.median(seconds), "all_seconds": seconds, "bytes": peak}


def step_of(point: dict, settings: object, clip: object, folder: Path) -> object:
    """What is timed."""
    import numpy as np

    from promptlab.bench import coop, features
    from promptlab.features.bank import FeatureBank

    if point["what"].startswith("coop"):
        return coop.step(settings, clip)
    if point["what"].startswith("cocoop"):
        return cocoop_step(settings, clip)
    if point["what"] == "gather images":
        return features.gathered(clip, point["n"], folder)
    source = features.MemoryImages(point["n"], clip.image_size)
    fresh = (FeatureBank(folder / f"{i}.sqlite") for i in range(1000))
    items = features.Items(source, np.arange(point["n"]), np.zeros(point["n"], dtype=np.int64))
    return lambda: next(fresh).features(clip, items, progress=False)


def cocoop_step(settings: object, clip: object) -> object:
    """The step of one image, by promptlab, on a random feature."""
    from promptlab.bench.cases import Trained, sgd
    from promptlab.bench.settings import inputs
    from promptlab.learners import Batch, CoCoOp

    learner = CoCoOp(clip, settings.names(), n_ctx=settings.n_ctx, ctx_init=None)
    _, features, labels = inputs(settings, clip, encoded=False)
    return Trained(learner.named_parameters(), sgd, lambda: {"loss": learner.loss(Batch(features, labels))})


if __name__ == "__main__":
    main()
