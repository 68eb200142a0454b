"""Draw the contact sheet: a column per class of demo_shapes, a row per dataset (two of demo_shapes), from training."""

from pathlib import Path

import numpy as np
from PIL import Image

from promptlab.demo.datasets import CORNERS, demo_dataset

SCALE, GAP = 2, 2


def main() -> None:
    """Write contact_sheet.jpg beside this file."""
    rows = []
    for name in CORNERS:
        train = demo_dataset(name).train
        for place in range(2 if name == "demo_shapes" else 1):
            columns = [train.source.open(int(train.indices[(32 * i + place) % len(train)])) for i in range(24)]
            if name == "demo_textures":  # 12 classes, two pictures of each
                columns = [train.source.open(int(train.indices[32 * (i // 2) + 2 * place + i % 2])) for i in range(24)]
            rows.append(
                [np.pad(np.asarray(picture), ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for picture in columns]
            )
    sheet = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))
    path = Path(__file__).with_name("contact_sheet.jpg")
    sheet.resize((sheet.width * SCALE, sheet.height * SCALE), Image.Resampling.NEAREST).save(path, quality=80)
    print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
