"""What is called a copy among photographs that look alike: ``python experiments/own_pictures/copies.py DATA``."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import promptlab
from promptlab.data.items import Items
from promptlab.data.sources.files import FileImages
from promptlab.own.look_alikes import look_alikes

CALTECH = (
    "Motorbikes", "Faces", "stop_sign", "minaret", "metronome", "watch", "Leopards", "airplanes", "car_side",
    "trilobite", "garfield",
)  # fmt: skip
"""Classes whose pictures are aligned, drawn, or of one studio."""
EUROSAT = ("Forest", "SeaLake", "Highway")
EACH, OF_EUROSAT = 150, 50


def main(data: Path) -> None:
    """Print how many pictures of each class are copies of another."""
    files = [
        file for name in CALTECH for file in sorted((data / "caltech-101/101_ObjectCategories" / name).glob("*"))[:EACH]
    ]
    files += [file for name in EUROSAT for file in sorted((data / "eurosat/2750" / name).glob("*"))[:OF_EUROSAT]]
    names = [str(file.relative_to(data)) for file in files]
    items = Items(FileImages(data, names), np.arange(len(names)), np.zeros(len(names), np.int64))
    features = promptlab.FeatureBank().features(promptlab.load_clip("demo"), items).numpy()
    began = time.process_time()
    stars = look_alikes(items, features).stars(len(names))
    print(f"{len(stars)} of {len(names):,} pictures are copies; {time.process_time() - began:.0f} s of processor time")
    print(f"the picture with most copies has {max(Counter(one for one, _ in stars).values())}")
    for name, count in Counter(files[other].parent.name for _, other in stars).most_common():
        print(f"{name:12} {count}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
