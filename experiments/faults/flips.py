"""Flip single bits of each kind of file, and cut it, and see whether its reader notices, or what it then reads.

    python experiments/faults/flips.py --flips 400 --out experiments/faults/flips.csv

One small run is made in a temporary folder. What its files say is compared with what the whole ones say: `refused` by
the reader, `same` numbers (a bit that says nothing, as white space), or `other` numbers, which there must be none of.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
import os
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from promptlab.cli.main import main as promptlab
from promptlab.features.store import Collection, FeatureStore
from promptlab.results.kept_scores import read_metrics
from promptlab.results.predictions import read_predictions
from promptlab.results.store import read_result
from promptlab.saved.card import read_card
from promptlab.saved.learned import read_learned
from promptlab.support.archives import check_archive, seal_archive

RUN = ["dataset=demo_textures", "protocol=few_shot", "shots=1", "views=0", "learner.optim.epochs=1",
       "trainer.enable_progress_bar=false"]  # fmt: skip


def plain(value: Any) -> Any:
    """What can be compared with ``==``."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, torch.Tensor | np.ndarray):
        return np.asarray(value).tobytes(), tuple(value.shape)
    return value


def predictions_of(path: Path) -> Any:
    """All fields of a file of predictions."""
    return plain(vars(read_predictions(path)))


def state_of(path: Path) -> Any:
    """The tensors of a fit's state, as resuming reads them."""
    data = path.read_bytes()
    check_archive(data)
    return plain(torch.load(io.BytesIO(data), weights_only=True))


def rows_of(path: Path) -> Any:
    """The rows of a feature bank that are there and whole, by their content."""
    features, present = FeatureStore(path).read(COLLECTION, CONTENTS)
    return {content: row.tobytes() for content, row, there in zip(CONTENTS, features, present, strict=True) if there}


COLLECTION = Collection("f0", "fake", "eval", 0, 64)
CONTENTS = [f"{number:032x}" for number in range(200)]


def written(folder: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """One file of each kind, with its reader."""
    os.chdir(folder)
    os.environ["PROMPTLAB_CACHE"] = str(folder / "cache")
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        if promptlab(RUN) != 0:
            raise SystemExit("the run to damage failed")
    finally:
        sys.stdout = stdout
    logging.getLogger("promptlab").setLevel(logging.CRITICAL)
    (result,) = (folder / "results").rglob("result.json")
    run = result.parent
    bank, state = folder / "bank.sqlite", folder / "resume.ckpt"
    rows = np.random.default_rng(0).standard_normal((len(CONTENTS), 64)).astype(np.float32)
    FeatureStore(bank).write(COLLECTION, zip(CONTENTS, rows, strict=True))
    buffer = io.BytesIO()
    torch.save({"state_dict": {"ctx": torch.randn(4, 128)}, "epoch": 3, "optimizer_states": [torch.randn(512)]}, buffer)
    state.write_bytes(seal_archive(buffer.getvalue()))
    earlier = folder / "earlier.ckpt"
    earlier.write_bytes(buffer.getvalue())
    (kept,) = (folder / "cache" / "zero_shot").glob("*.json")
    return {
        "result.json": (result, read_result),
        "card.json": (run / "card.json", read_card),
        "learned.safetensors, with its card": (
            run / "learned.safetensors",
            lambda path: plain(read_learned(path, read_card(path.with_name("card.json")))),
        ),
        "learned.safetensors alone": (run / "learned.safetensors", lambda path: plain(read_learned(path, None))),
        "predictions": (run / "predictions-test.safetensors", predictions_of),
        "resume.ckpt": (state, state_of),
        "resume.ckpt of 0.1.0, without a checksum": (earlier, state_of),
        "zero-shot scores in the cache": (kept, read_metrics),
        "features.sqlite": (bank, rows_of),
    }


def tried(path: Path, read: Callable[[Path], Any], damage: Callable[[bytearray], None]) -> str:
    """What the reader makes of a file after some damage; the file is put back."""
    whole, expected = path.read_bytes(), read(path)
    data = bytearray(whole)
    damage(data)
    path.write_bytes(data)
    try:
        found = read(path)
    except (ValueError, OSError, RuntimeError, sqlite3.DatabaseError):
        return "refused"
    finally:
        for side in path.parent.glob(f"{path.name}?*"):  # set aside, or the log of a database
            if not side.name.endswith(".lock"):
                side.unlink()
        path.write_bytes(whole)
    if read is rows_of:  # rows that fail their checksum are absent, and encoded again
        return (
            "other"
            if any(expected[key] != row for key, row in found.items())
            else ("same" if len(found) == len(expected) else "refused")
        )
    return "same" if found == expected else "other"


def main() -> None:
    """Damage every kind of file, and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=400)
    parser.add_argument("--cuts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.absolute()
    with tempfile.TemporaryDirectory() as folder, out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "damage", "tried", "refused", "same numbers", "other numbers"])
        for name, (path, read) in written(Path(folder)).items():
            generator = random.Random(f"{options.seed} {name}")

            def flip(data: bytearray, generator: random.Random = generator) -> None:
                data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)

            def cut(data: bytearray, generator: random.Random = generator) -> None:
                del data[generator.randrange(len(data)) :]

            for damage, times, act in (("a bit flipped", options.flips, flip), ("cut", options.cuts, cut)):
                counts = Counter(tried(path, read, act) for _ in range(times))
                row = [name, damage, times, counts["refused"], counts["same"], counts["other"]]
                writer.writerow(row)
                print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
