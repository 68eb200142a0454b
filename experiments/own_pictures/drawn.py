"""The pictures that README's first screen adapts to: ``python experiments/own_pictures/drawn.py PICTURES``.

Eight classes of the demo's picture world with 25 to 3 pictures each, a folder for each class.
"""

import sys
from pathlib import Path

import promptlab

COUNTS = (25, 20, 16, 12, 10, 8, 5, 3)
STEP = 3
"""Every third class is taken, so that they differ."""


def main(to: Path) -> None:
    """Draw them."""
    data = promptlab.demo_dataset("demo_shapes")
    for label, count in zip(range(0, len(data.class_names), STEP), COUNTS, strict=True):
        folder = to / data.class_names[label]
        folder.mkdir(parents=True)
        for number, index in enumerate(data.train.indices[data.train.labels == label][:count].tolist()):
            data.train.source.open(index).save(folder / f"{number:03d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
