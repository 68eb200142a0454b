"""Processes that share a feature bank, killed, crossed and starved: what of it is lost.

    python experiments/faults/banks.py --out experiments/faults/banks.csv

Processes are forked with a small encoder that takes its time, on 320 drawn pictures. After each round every row of the
bank is compared with the feature that it should be.
"""

from __future__ import annotations

import argparse
import csv
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import ToTensor

from promptlab.data import FileImages, Items
from promptlab.features import FeatureBank
from promptlab.features.upkeep import clear, damaged_rows
from promptlab.support.database import CacheError

PICTURES = 320
FORK = multiprocessing.get_context("fork")


class SlowEncoder:
    """Features are a fixed projection of the pixels; a batch takes a set time."""

    name, fingerprint, dim, image_size = "slow", "f0", 8, 16
    pre_projection_width = 8
    image_mean, image_std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    device = torch.device("cpu")

    def __init__(self, seconds: float) -> None:
        self.seconds, self.encoded, self.preprocess = seconds, 0, ToTensor()
        self.weight = torch.randn(3 * 16 * 16, self.dim, generator=torch.Generator().manual_seed(0))

    def encode_images(self, images: torch.Tensor, *, normalised: bool = True, kind: str = "projected") -> torch.Tensor:
        """(B, 3, 16, 16) to (B, 8)."""
        time.sleep(self.seconds)
        self.encoded += int((images.flatten(1).abs().sum(1) > 0).sum())
        raw = images.flatten(1) @ self.weight
        return F.normalize(raw, dim=-1) if normalised else raw


def drawn(folder: Path) -> Items:
    """Pictures of noise."""
    generator = np.random.default_rng(0)
    names = [f"{number:04d}.png" for number in range(PICTURES)]
    for name in names:
        Image.fromarray(generator.integers(1, 256, (16, 16, 3), dtype=np.uint8)).save(folder / name)
    return Items(FileImages(folder, names), np.arange(PICTURES), np.zeros(PICTURES, np.int64))


def fill(bank: Path, items: Items, seconds: float, encoded: Any, limit: int | None = None) -> None:
    """What a process does: gather all features, encoding what is missing."""
    torch.set_num_threads(1)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    encoder = SlowEncoder(seconds)
    try:
        FeatureBank(bank).features(encoder, items, batch_size=8, progress=False)
    except CacheError:
        sys.exit(3)
    encoded.value = encoder.encoded


def started(bank: Path, items: Items, seconds: float, number: int, **options: Any) -> list[tuple[BaseProcess, Any]]:
    """Processes that fill a bank."""
    processes = []
    for _ in range(number):
        encoded = FORK.Value("i", -1)
        process = FORK.Process(target=fill, args=(bank, items, seconds, encoded), kwargs=options)
        process.start()
        processes.append((process, encoded))
    return processes


def wrong_rows(bank: Path, items: Items, expected: torch.Tensor) -> int:
    """How many images get another feature than theirs, now that the bank is used by one process alone."""
    found = FeatureBank(bank).features(SlowEncoder(0), items, batch_size=8, progress=False)
    return int((~torch.isclose(found, expected, atol=1e-6).all(1)).sum())


def killed(bank: Path, items: Items, generator: random.Random) -> dict[str, int]:
    """Two processes fill, one is killed at a random moment."""
    (victim, _), (other, _) = started(bank, items, 0.02, 2)
    time.sleep(generator.uniform(0.1, 0.9))
    victim.kill()
    victim.join()
    other.join(60)
    return {"failed processes": int(other.exitcode != 0), "damaged rows": damaged_rows(bank)[1]}


def shared(bank: Path, items: Items, generator: random.Random) -> dict[str, int]:
    """Three processes fill: how many images are encoded more than once."""
    running = started(bank, items, 0.02, 3)
    for process, _ in running:
        process.join(60)
    twice = sum(encoded.value for _, encoded in running) - PICTURES
    return {"failed processes": sum(process.exitcode != 0 for process, _ in running), "encoded twice": twice}


def moved_aside(bank: Path, items: Items, generator: random.Random) -> dict[str, int]:
    """Four processes find the same damaged database."""
    fill(bank, items, 0, FORK.Value("i", -1))
    bank.write_bytes(b"no database" * 1000)
    running = started(bank, items, 0.005, 4)
    for process, _ in running:
        process.join(60)
    asides = len([path for path in bank.parent.glob(f"{bank.name}.damaged-*") if path.suffix.startswith(".damaged")])
    return {"failed processes": sum(p.exitcode != 0 for p, _ in running), "good databases moved": asides - 1}


def cleared(bank: Path, items: Items, generator: random.Random) -> dict[str, int]:
    """The cache is cleared again and again while two processes fill it."""
    running = started(bank, items, 0.01, 2)
    times = 0
    while any(process.is_alive() for process, _ in running) and times < 200:
        clear(bank)
        times += 1
        time.sleep(generator.uniform(0, 0.05))
    for process, _ in running:
        process.join(60)
    return {"failed processes": sum(process.exitcode != 0 for process, _ in running)}


def full(bank: Path, items: Items, generator: random.Random) -> dict[str, int]:
    """A file may grow to a random size only, as on a full disk; afterwards there is room again."""
    ((process, _),) = started(bank, items, 0, 1, limit=generator.randrange(4096, 400_000))
    process.join(60)
    return {
        "ended with a message": int(process.exitcode == 3),
        "damaged rows": damaged_rows(bank)[1] if bank.exists() and bank.stat().st_size else 0,
    }


ROUNDS: dict[str, tuple[Callable[[Path, Items, random.Random], dict[str, int]], int]] = {
    "SIGKILL of one of two fillers": (killed, 20),
    "three fillers at once": (shared, 8),
    "four processes find a damaged database": (moved_aside, 24),
    "cache clear while two fill": (cleared, 5),
    "no room for the database (RLIMIT_FSIZE)": (full, 12),
}


def rounds(items: Items, seed: int) -> Iterator[list[Any]]:
    """A row for each kind of fault."""
    expected = FeatureBank(Path("expected.sqlite")).features(SlowEncoder(0), items, batch_size=8, progress=False)
    for name, (act, times) in ROUNDS.items():
        generator, sums, wrong = random.Random(f"{seed} {name}"), dict[str, int](), 0
        for number in range(times):
            bank = Path(f"{act.__name__}-{number}", "features.sqlite").absolute()
            for fact, count in act(bank, items, generator).items():
                sums[fact] = sums.get(fact, 0) + count
            wrong += wrong_rows(bank, items, expected)
        yield [name, times, wrong, "; ".join(f"{fact}: {count}" for fact, count in sums.items())]


def main() -> None:
    """Try every fault, and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.absolute()
    torch.set_num_threads(1)  # threads don't survive a fork
    logging.getLogger("promptlab").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, out.open("w", newline="") as file:
        os.chdir(folder)
        os.environ["PROMPTLAB_CACHE"] = str(Path(folder, "cache"))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fault", "rounds", "wrong features", "besides"])
        Path("pictures").mkdir()
        for row in rounds(drawn(Path("pictures").absolute()), options.seed):
            writer.writerow(row)
            print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
