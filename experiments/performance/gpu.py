"""What ``run.py`` measures, on a GPU in fp32, tf32 and bf16, and a whole fit: twelve minutes on an H200.

    python experiments/performance/gpu.py --out FOLDER

Writes a folder for each precision, as ``run.py`` does, and ``fit_PRECISION.json``: CoOp on 16 pictures of each of 100
classes from the command to the Result, with the peak of the GPU's memory.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
PRECISIONS = {"fp32": {}, "tf32": {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}, "bf16": {}}
"""What is set for each; tf32 is fp32 whose products run in it."""
FIT = ["learner=coop", "protocol=few_shot", "backbone=vit_b16_random", "shots=16", "views=0", "val=none",
       "trainer.enable_progress_bar=false", "--json"]  # fmt: skip


def main() -> None:
    """Measure one after the other; each result is written once it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", default="5")
    parser.add_argument("--quick", action="store_true", help="try the path on the demo backbone; numbers mean nothing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("fp32", "bf16"):
        report = whole_fit(options.device, name, 2 if options.quick else 50, options.out)
        (options.out / f"fit_{name}.json").write_text(json.dumps(report, indent=1))
    for name, environment in PRECISIONS.items():
        precision = "fp32" if name == "tf32" else name
        command = [sys.executable, str(HERE / "run.py"), "--only", "coop", "cocoop", "ship", "features", "--device",
                   options.device, "--precision", precision, "--rounds", options.rounds,
                   "--out", str(options.out / name), *(["--quick"] if options.quick else [])]  # fmt: skip
        subprocess.run(command, env=os.environ | environment, check=True)


def whole_fit(device: str, precision: str, epochs: int, out: Path) -> dict[str, object]:
    """Seconds and memory of a fit in a process of its own, nothing cached before."""
    pictures = out / "pictures"
    classes, each = (100, 16) if epochs > 2 else (4, 2)
    draw_pictures(pictures, classes, each)
    work = (out / f"fit_{precision}").absolute()
    command = [sys.executable, "-m", "promptlab", *FIT, "dataset=folder", f"dataset.path={pictures.absolute()}",
               f"backbone.device={device}", f"backbone.precision={precision}", f"learner.optim.epochs={epochs}",
               f"shots={each}", f"results={work}/results"]  # fmt: skip
    start = time.perf_counter()
    environment = os.environ | {"PROMPTLAB_CACHE": f"{work}/cache"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    result = json.loads(done.stdout)["result"]
    return {"classes": classes, "shots": each, "epochs": epochs, "precision": precision, "seconds_in_all": seconds,
            "seconds": result["seconds"], "peak_memory_bytes_of_gpu": result["peak_memory_bytes_of_gpu"],
            "host": result["host"]}  # fmt: skip


def draw_pictures(folder: Path, classes: int, each: int) -> None:
    """Noise as JPEG files of 300 x 300: to train on and as many to test."""
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in range(classes):
            place = folder / part / f"class {label:03d}"
            place.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                coarse = Image.fromarray(random.integers(0, 256, (10, 10, 3), dtype=np.uint8))
                coarse.resize((300, 300), Image.Resampling.BICUBIC).save(place / f"{number}.jpg")


if __name__ == "__main__":
    main()
