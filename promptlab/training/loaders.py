"""Batches of one epoch, in an order and with views that depend on seed, stage and epoch alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Protocol

import torch
from torch import Tensor

from promptlab.learners.base.stages import Batch, Draws
from promptlab.support.random_streams import stream
from promptlab.support.transfers import sent
from promptlab.training.rows import FeaturePool, count_of, rows_of_epoch, rows_of_rounds


class EpochLoader(Protocol):
    """Iterates over the batches of the epoch that was set last."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        ...

    def close(self) -> None:
        """Let go of what a stage's batches needed."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class FeatureLoader:
    """Batches of cached features: of each item's K views one is drawn anew every epoch.

    Args:
        features: (N, D), or (N, K, D), or a pool that shows several views at once.
        labels: (N,) int64.
        batch_size: items per batch.
        drop_last: whether an incomplete last batch is left out.
        seed: the run's seed.
        stage: the stage's name.
        unlabelled: features of images without labels: each batch gets as many, one round after the other.
        draws: which views an epoch shows, see :class:`~promptlab.learners.base.stages.GradientStage`.
    """

    def __init__(
        self,
        features: Tensor | FeaturePool,
        labels: Tensor,
        *,
        batch_size: int,
        seed: int,
        stage: str,
        drop_last: bool = True,
        unlabelled: FeaturePool | None = None,
        draws: Draws = "items",
    ) -> None:
        self._pool = features if isinstance(features, FeaturePool) else FeaturePool(features)
        self._labels, self._classes = labels, labels.cpu()
        self._batch_size, self._drop_last = batch_size, drop_last
        self._seed, self._stage, self._epoch = seed, stage, 0
        self._unlabelled, self._draws = unlabelled, draws

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch

    def close(self) -> None:
        """Nothing is held."""

    def __len__(self) -> int:
        return count_of(len(self._labels), self._batch_size, self._drop_last)

    def __iter__(self) -> Iterator[Batch]:
        generator = stream(self._seed, self._stage, self._epoch)
        losses = loss_stream(self._seed, self._stage, self._epoch)
        batches = rows_of_epoch(self._draws, self._pool, self._epoch, generator, self._batch_size, self._drop_last)
        for (rows, views), others in zip(batches, self._others([rows for rows, _ in batches]), strict=False):
            there, classes = sent(rows, self._labels.device), tuple(self._classes[rows].tolist())
            yield Batch(self._pool.take(there, views), self._labels[there], losses, others, classes)

    def _others(self, batches: Sequence[Tensor]) -> Iterable[Tensor | None]:
        """Unlabelled features for each batch."""
        if self._unlabelled is None:
            return repeat(None)
        views = self._unlabelled.draw(stream(self._seed, self._stage, self._epoch, "unlabelled"))
        chosen = unlabelled_rows(batches, len(self._unlabelled), self._seed, self._stage, self._epoch)
        return (self._unlabelled.take(rows, views[rows]) for rows in chosen)


def loss_stream(seed: int, stage: str, epoch: int) -> torch.Generator:
    """Where the losses of one epoch draw their random numbers from, step after step."""
    return stream(seed, stage, epoch, "loss")


def unlabelled_rows(batches: Sequence[Tensor], items: int, seed: int, stage: str, epoch: int) -> list[Tensor]:
    """As many rows of unlabelled items as each batch has; epochs go on where the one before stopped."""
    sizes = [len(rows) for rows in batches]
    return list(torch.split(rows_of_rounds(epoch * sum(sizes), sum(sizes), items, seed, stage), sizes))
