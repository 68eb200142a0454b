"""Operations of the matrix products of every learner's step, promptlab's and the plain one's, as ``products.csv``.

Counted, not timed: the products themselves are left out, so it takes three minutes of one core. With names as arguments
those are counted anew, and the other rows stay.
"""

import csv
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from promptlab.bench import learner, texts
from promptlab.bench.recipes import RECIPES
from promptlab.bench.recorded import IMAGE, LEARNED, TEXT, record
from promptlab.bench.settings import Settings
from promptlab.clip.frozen import FrozenCLIP

BACKBONE, CLASSES, NAMES = "ViT-B-16-quickgelu", 100, 300
TEXTS = "texts"
FILE = Path(__file__).parent / "products.csv"


def main() -> None:
    """Count on both sides."""
    clip = Settings(backbone=BACKBONE).load()
    asked = sys.argv[1:] or [*RECIPES, TEXTS]
    rows = {row["learner"]: row for row in csv.DictReader(FILE.open())} if sys.argv[1:] else {}
    for name in asked:
        sys.stderr.write(f"{name}\n")
        rows[name] = of_texts(clip) if name == TEXTS else of_learner(name, clip)
        write([rows[known] for known in (*RECIPES, TEXTS) if known in rows])


def of_learner(name: str, clip: FrozenCLIP) -> dict[str, object]:
    """The row of a learner's step."""
    settings = Settings(backbone=BACKBONE, classes=CLASSES, batch=RECIPES[name].batch)
    (case,) = (case for case in learner.cases(name, settings, clip, encoded=False) if case.recorded)
    return counted(name, case.what, *(second(step, clip) for step in (case.ours, case.plain)))


def of_texts(clip: FrozenCLIP) -> dict[str, object]:
    """The row of class texts, per class."""
    (case,) = texts.cases(Settings(backbone=BACKBONE, classes=NAMES), clip)
    ours, loop = record(case.ours, clip).flop, record(case.plain, clip).flop
    per_class = [{tower: flop / case.per[side] for tower, flop in own.items()} for side, own in
                 (("promptlab", ours), ("plain", loop))]  # fmt: skip
    return counted(TEXTS, case.what, *per_class)


def second(step: Callable[[], object], clip: FrozenCLIP) -> Counter[str]:
    """Of a step that isn't the first, in which constants are made."""
    record(step, clip)
    return record(step, clip).flop


def write(rows: list[dict[str, object]]) -> None:
    """All that is there."""
    with FILE.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def counted(name: str, what: str, ours: dict[str, float], plain: dict[str, float]) -> dict[str, object]:
    """A row."""
    flop = {f"{tower}, GFLOP {side}": round(own[tower] / 1e9, 2) for tower in (TEXT, IMAGE, LEARNED)
            for side, own in (("plain", plain), ("promptlab", ours))}  # fmt: skip
    text = round(plain[TEXT] / ours[TEXT], 1) if ours[TEXT] else ""
    ratio = round(sum(plain.values()) / sum(ours.values()), 1)
    return {"learner": name, "step": what.rpartition(": ")[2], "fewer operations": ratio, "of text": text, **flop}


if __name__ == "__main__":
    main()
