"""What encoding ImageNet-21k takes on eight GPUs, on paper: python experiments/encode/paper.py PICTURES."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path

from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from promptlab.features.transforms import TrainingTransform

IMAGES, GPUS, D = 14_197_122, 8, 768
LAYERS, WIDTH, TOKENS, PATCH = 24, 1024, 257, 14
KEY, NORM, CHECKSUM, SHARD_ROWS = 34, 4, 8, 4096
# TFLOP/s of the maker's data sheets, dense, and the share of it that a large ViT's forward pass is taken to reach.
PEAK = {
    ("A100", "fp32"): (19.5, 0.7),
    ("A100", "fp16"): (312.0, 0.4),
    ("H100", "fp32"): (67.0, 0.6),
    ("H100", "fp16"): (989.0, 0.35),
}


def flops() -> float:
    """Of one picture's forward pass: two per multiplication."""
    layer = TOKENS * 12 * WIDTH**2 + 2 * TOKENS**2 * WIDTH
    return 2 * (LAYERS * layer + (TOKENS - 1) * 3 * PATCH**2 * WIDTH + WIDTH * D)


def processor_seconds(folder: Path, views: int, count: int = 100) -> float:
    """To decode a photograph of 500x375 and make its views, of one processor."""
    data = []
    for path in sorted(folder.rglob("*.jpg"))[::37][:count]:
        buffer = io.BytesIO()
        Image.open(path).convert("RGB").resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        data.append(buffer.getvalue())
    transform = TrainingTransform(224, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    began = time.process_time()
    for one in data:
        image = Image.open(io.BytesIO(one)).convert("RGB")
        if not views:
            view = TF.center_crop(TF.resize(image, [224], InterpolationMode.BICUBIC), [224, 224])
            TF.normalize(TF.to_tensor(view), list(transform.mean), list(transform.std))
        for _ in range(views):
            transform(image)
    return (time.process_time() - began) / len(data)


def main(folder: Path) -> None:
    """The table, into paper.csv."""
    rows = []
    for views in (1, 16):
        features = IMAGES * views
        cost = processor_seconds(folder, 0 if views == 1 else views) / views
        for (gpu, precision), (peak, share) in PEAK.items():
            speed = GPUS * peak * 1e12 * share / flops()
            rows.append({
                "views": views,
                "GPUs": f"{GPUS} {gpu}",
                "precision": precision,
                "features": features,
                "shards": -(-features // SHARD_ROWS),
                "GB_of_shards": round(features * (4 * D + KEY + NORM + CHECKSUM) / 1e9, 1),
                "pictures_a_second": round(speed),
                "hours": round(features / speed / 3600, 1),
                "processors_to_keep_up": round(speed * cost),
            })  # fmt: skip
    with (Path(__file__).parent / "paper.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"{flops() / 1e9:.0f} GFLOP a picture")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
