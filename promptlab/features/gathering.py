"""One call of the bank on its way: which images are asked for, what was found of them, and what is to be written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from PIL import Image
from torch import Tensor

from promptlab.data.amounts import ImageKind
from promptlab.data.items import Items
from promptlab.features.collection import Collection
from promptlab.features.encode import ImageEncoder, Job, Row
from promptlab.features.keys import collections_of
from promptlab.features.shards import Found
from promptlab.features.store import FeatureStore
from promptlab.features.transforms import TrainingTransform, require_preprocess, training_transform
from promptlab.support.arrays import BoolArray, FloatArray, IntArray

_COMMIT_SECONDS = 0.5


@dataclass(frozen=True)
class Rows:
    """What a call gathers.

    Args:
        features: (U, V, D).
        whole: (U, V), whether each feature is there.
        present: (U, V), whether all of it that is wanted is there.
        norms: (U, V) lengths, NaN where unknown; None where they aren't wanted.
    """

    features: FloatArray
    whole: BoolArray
    present: BoolArray
    norms: FloatArray | None = None

    def take(self, places: IntArray, read: Rows) -> int:
        """Copy what was read to its places; returns how many rows were there with all that is wanted."""
        views = np.nonzero(read.whole)
        at = places[views[0]], views[1]
        self.features[at], self.whole[at] = read.features[views], True
        views = np.nonzero(read.present)
        at = places[views[0]], views[1]
        self.present[at] = True
        if self.norms is not None and read.norms is not None:
            self.norms[at] = read.norms[views]
        return len(views[0])

    def take_found(self, found: Found) -> None:
        """Copy what a shard has; a feature that is here stays, and gets its length alone."""
        at, new = found.at, ~self.whole[found.at]
        self.features[at[0][new], at[1][new]] = found.features[new]
        self.whole[at] = self.present[at] = True
        if self.norms is not None:
            self.norms[at] = found.norms

    def add(self, place_of: Mapping[str, int], encoded: Sequence[Row]) -> list[Row]:
        """Copy what was encoded to its places; returns the rows that weren't there, those that were stay."""
        fresh = []
        for row in encoded:
            at = place_of[row.content], row.view
            if not self.whole[at]:
                fresh.append(row)
                self.features[at] = row.feature
            if self.norms is not None:
                self.norms[at] = row.norm
            self.whole[at] = self.present[at] = True
        return fresh


@dataclass(frozen=True)
class Work:
    """One call's images and how they are encoded.

    Args:
        clip: the backbone.
        items: N items.
        content_ids: (N,) of those.
        transform: the evaluation transform, or a training transform to draw views from.
        collections: V of backbone and transform, by view.
        batch_size: pictures per batch.
        kind: which feature of an image.
        normalised: whether lengths don't matter.
    """

    clip: ImageEncoder
    items: Items
    content_ids: Sequence[str]
    transform: Callable[[Image.Image], Tensor] | TrainingTransform
    collections: tuple[Collection, ...]
    batch_size: int
    kind: ImageKind
    normalised: bool

    @classmethod
    def of(
        cls,
        clip: ImageEncoder,
        items: Items,
        views: int,
        crop_scale: tuple[float, float],
        kind: ImageKind,
        normalised: bool,
        batch_size: int,
    ) -> Self:
        """What :meth:`FeatureBank.features` is asked for."""
        return cls(
            clip=clip,
            items=items,
            content_ids=items.content_ids(),
            transform=training_transform(clip, crop_scale) if views else require_preprocess(clip),
            collections=collections_of(clip, views, crop_scale, kind),
            batch_size=batch_size,
            kind=kind,
            normalised=normalised,
        )

    @cached_property
    def contents(self) -> list[str]:
        """(U,) content ids, each once."""
        return list(dict.fromkeys(self.content_ids))

    @cached_property
    def indices(self) -> dict[str, int]:
        """Where the source has each image: at its first item."""
        return dict(zip(reversed(self.content_ids), self.items.indices[::-1].tolist(), strict=True))

    def jobs(self, contents: Sequence[str], present: BoolArray) -> list[Job]:
        """What is left to do of some images: ``present`` is (U, V)."""
        left = ((content, np.flatnonzero(~row).tolist()) for content, row in zip(contents, present, strict=True))
        return [Job(self.indices[content], content, tuple(views)) for content, views in left if views]


class Writer:
    """Commits rows every half second: little is lost to a kill, and the disk is spared.

    Args:
        store: where they go.
        collections: V, by view.
    """

    def __init__(self, store: FeatureStore, collections: Sequence[Collection]) -> None:
        self.store = store
        self.collections = collections
        self.rows: list[Row] = []
        self.lengths: list[Row] = []
        self.written = time.monotonic()

    def add(self, encoded: Sequence[Row], fresh: Sequence[Row]) -> None:
        """Keep the lengths of all that was encoded, and the features of what is new."""
        self.lengths.extend(encoded)
        self.rows.extend(fresh)
        if time.monotonic() - self.written >= _COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit what there is."""
        rows: dict[Collection, list[tuple[str, FloatArray]]] = defaultdict(list)
        norms: dict[Collection, list[tuple[str, float]]] = defaultdict(list)
        for row in self.rows:
            rows[self.collections[row.view]].append((row.content, row.feature))
        for row in self.lengths:
            norms[self.collections[row.view]].append((row.content, row.norm))
        self.store.write_all(rows, norms)
        self.rows, self.lengths = [], []
        self.written = time.monotonic()
