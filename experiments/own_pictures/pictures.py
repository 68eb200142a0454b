"""Eight classes of Caltech-101, 3 to 25 pictures each, copied into a folder with the names that people give."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

CLASSES = {
    "dalmatian": ("Dalmatiner (Hund)", 25),
    "sunflower": ("sunflower_NEW", 20),
    "grand_piano": ("Grand Piano & Stool", 16),
    "umbrella": ("umbrella - Copy", 12),
    "dollar_bill": ("1 dollar bill", 10),
    "starfish": ("Étoile de mer", 7),
    "stop_sign": ("STOP sign <old>", 5),
    "yin_yang": ("yin  yang", 3),
}
"""Caltech's folder: what it is called here, and how many pictures are adapted to."""
TESTED = 10
"""Pictures of each class that are put aside, to predict."""


def copy(caltech: Path, to: Path) -> None:
    """Write ``to/My pictures`` with a folder per class, ``to/new`` with others, and ``to/negatives``."""
    for theirs, (ours, count) in CLASSES.items():
        files = sorted((caltech / "101_ObjectCategories" / theirs).glob("*.jpg"))
        for place, chosen in (("My pictures", files[:count]), ("new", files[-TESTED:])):
            folder = to / place / ours
            folder.mkdir(parents=True)
            for number, file in enumerate(chosen):
                shutil.copyfile(file, folder / f"IMG {number:04d} (1).JPG")
    negatives = to / "negatives"
    negatives.mkdir()
    for number, theirs in enumerate(("crab", "revolver", "lamp", "cup", "anchor", "wrench", "chair", "pagoda")):
        shutil.copyfile(
            sorted((caltech / "101_ObjectCategories" / theirs).glob("*.jpg"))[0], negatives / f"{number}.jpg"
        )
    spoilt = to / "new" / "sunflower_NEW" / "half of it.jpg"
    spoilt.write_bytes(next((to / "new" / "sunflower_NEW").iterdir()).read_bytes()[:2000])
    shutil.copyfile(
        to / "My pictures" / "yin  yang" / "IMG 0000 (1).JPG", to / "My pictures" / "sunflower_NEW" / "wrong.JPG"
    )


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
