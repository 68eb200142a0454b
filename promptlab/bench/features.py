"""The feature bank: encoding against the bare model, and gathering what is known already."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.bench.equal import require_equal
from promptlab.bench.plain import PlainCLIP
from promptlab.bench.report import Comparison, Figure, Report
from promptlab.bench.settings import Settings
from promptlab.bench.timing import interleave, timed
from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.features.collection import Collection
from promptlab.features.keys import collections_of
from promptlab.features.store import FeatureStore
from promptlab.features.transforms import require_preprocess
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError

_WRITTEN = 20_000
"""Rows per transaction while a database to gather from is filled."""


class MemoryImages:
    """Pictures of noise in memory, of the size that the model reads: opening one costs nothing.

    Args:
        count: N.
        side: in pixels.
    """

    def __init__(self, count: int, side: int) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        self._pictures = [Image.fromarray(picture) for picture in pixels]

    def __len__(self) -> int:
        return len(self._pictures)

    def open(self, index: int) -> Image.Image:
        """The picture."""
        return self._pictures[index]

    def describe(self, index: int) -> str:
        """Its number."""
        return f"noise {index}"

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids that follow from the number."""
        return [_id(index) for index in np.asarray(indices).tolist()]


class KnownRows:
    """Images whose features are all in the bank.

    Args:
        count: N.
    """

    def __init__(self, count: int) -> None:
        self._ids = [_id(index) for index in range(count)]

    def __len__(self) -> int:
        return len(self._ids)

    def open(self, index: int) -> Image.Image:
        """Never needed.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(f"row {index} is not in the bank")

    def describe(self, index: int) -> str:
        """Its number."""
        return f"row {index}"

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids made beforehand: hashing files is not what is measured."""
        return [self._ids[index] for index in np.asarray(indices).tolist()]


def run(settings: Settings, images: int, rows: Sequence[int]) -> Report:
    """Encode ``images`` pictures with the bank and with the bare model, then gather each number of rows.

    Raises:
        DifferenceError: if the bank's features aren't the model's.
    """
    clip = settings.load()
    with tempfile.TemporaryDirectory(prefix="promptlab-bench-") as folder:
        comparison = encoding(clip, settings, images, Path(folder))
        figures = [figure for count in rows for figure in gathering(clip, settings, count, Path(folder))]
    bank, bare = (images / comparison.median(side) for side in ("promptlab", "plain"))
    figures = [
        Figure("FeatureBank", bank, "images/s", "transforms, hashes and a transaction included"),
        Figure("bare model in a loop", bare, "images/s", "pictures transformed beforehand"),
        Figure("FeatureBank's share of the bare model", bank / bare),
        *figures,
    ]
    return Report("features", {**asdict(settings), "images": images}, figures=figures)


def encoding(clip: FrozenCLIP, settings: Settings, images: int, folder: Path) -> Comparison:
    """The bank on an empty database, and the model on batches that are ready."""
    items = _items(MemoryImages(images, clip.image_size))
    transform = require_preprocess(clip)
    batches = torch.split(torch.stack([transform(items.source.open(i)) for i in range(images)]), settings.batch)
    fresh, plain = _fresh(folder), PlainCLIP(clip)

    def bank() -> Tensor:
        return FeatureBank(next(fresh)).features(clip, items, batch_size=settings.batch, progress=False)

    def bare() -> Tensor:
        with torch.inference_mode():
            return torch.cat([plain.encode_images(batch) for batch in batches])

    def store_of(features: Tensor) -> dict[str, Tensor]:
        return {"features": features.cpu()}

    differences = require_equal("image encoding", store_of(bank()), store_of(bare()), settings.precision)
    seconds = interleave({"promptlab": bank, "plain": bare}, settings.rounds, device=clip.device)
    return Comparison(f"encoding {images} images", seconds, differences=differences)


def gathering(clip: FrozenCLIP, settings: Settings, count: int, folder: Path) -> list[Figure]:
    """Seconds to gather rows that the bank holds."""
    gather = gathered(clip, count, folder)
    seconds = [timed(gather) for _ in range(min(settings.rounds, 3))]
    note = "in an order of chance; median of warm calls"
    return [Figure(f"gather {count:,} rows of {clip.dim} numbers", statistics.median(seconds), "s", note)]


def gathered(clip: FrozenCLIP, count: int, folder: Path) -> Callable[[], Tensor]:
    """What gathers rows in an order of chance, from a bank that is filled here."""
    bank = FeatureBank(folder / f"rows-{count}.sqlite")
    (collection,) = collections_of(clip)
    _fill(bank.store, collection, count)
    order = np.random.default_rng(2).permutation(count)
    items = Items(KnownRows(count), order, np.zeros(count, dtype=np.int64))
    return lambda: bank.features(clip, items, progress=False)


def _fill(store: FeatureStore, collection: Collection, count: int) -> None:
    random = np.random.default_rng(1)
    for start in range(0, count, _WRITTEN):
        rows = random.standard_normal((min(_WRITTEN, count - start), collection.dim), dtype=np.float32)
        store.write(collection, [(_id(start + place), row) for place, row in enumerate(rows)])


def _items(source: MemoryImages) -> Items:
    return Items(source, np.arange(len(source)), np.zeros(len(source), dtype=np.int64))


def _fresh(folder: Path) -> Iterator[Path]:
    """Files that don't exist yet."""
    number = 0
    while True:
        yield folder / f"bank-{number}.sqlite"
        number += 1


def _id(index: int) -> str:
    """32 hexadecimal digits without order, as a hash has."""
    return f"{(index * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 1) % 2**128:032x}"
