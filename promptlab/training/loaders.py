"""Batches of one epoch, in an order and with views that depend on seed, stage and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promptlab.learners.base.stages import Batch
from promptlab.support.streams import stream
from promptlab.training.pictures import ImageDataset


class EpochLoader(Protocol):
    """Iterates over the batches of the epoch that was set last."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


def batches_of(order: Tensor, batch_size: int, drop_last: bool = True) -> list[Tensor]:
    """Consecutive batches of an order (N,); CoOp drops an incomplete last one unless it is the only one."""
    batches = list(torch.split(order, batch_size))
    return batches[:-1] if drop_last and len(batches) > 1 and len(batches[-1]) < batch_size else batches


def count_of(items: int, batch_size: int, drop_last: bool = True) -> int:
    """How many batches :func:`batches_of` makes of so many items; asked in every step, so without making them."""
    full, rest = divmod(items, batch_size)
    return full if full and (drop_last or not rest) else full + 1


class FeatureLoader:
    """Batches of cached features: of each item's K views one is drawn anew every epoch.

    Args:
        features: (N, D), or (N, K, D).
        labels: (N,) int64.
        batch_size: items per batch.
        drop_last: whether an incomplete last batch is left out.
        seed: the run's seed.
        stage: the stage's name.
    """

    def __init__(
        self, features: Tensor, labels: Tensor, *, batch_size: int, seed: int, stage: str, drop_last: bool = True
    ) -> None:
        self._features = features if features.ndim == 3 else features.unsqueeze(1)
        self._labels, self._batch_size, self._drop_last = labels, batch_size, drop_last
        self._seed, self._stage, self._epoch = seed, stage, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return count_of(len(self._labels), self._batch_size, self._drop_last)

    def __iter__(self) -> Iterator[Batch]:
        N, K, _ = self._features.shape
        generator = stream(self._seed, self._stage, self._epoch)
        order = torch.randperm(N, generator=generator)
        view = torch.randint(K, (N,), generator=generator)
        losses = loss_stream(self._seed, self._stage, self._epoch)
        for rows in batches_of(order, self._batch_size, self._drop_last):
            yield Batch(self._features[rows, view[rows]], self._labels[rows], losses)


class ImageLoader:
    """Batches of images, decoded and transformed anew every epoch.

    Args:
        images: a seeded dataset of pictures.
        batch_size: items per batch.
        drop_last: whether an incomplete last batch is left out.
        seed: the run's seed.
        stage: the stage's name.
        workers: processes that decode.
    """

    def __init__(
        self,
        images: ImageDataset,
        *,
        batch_size: int,
        seed: int,
        stage: str,
        drop_last: bool = True,
        workers: int = 0,
    ) -> None:
        self._images = images
        self._batch_size, self._drop_last, self._workers = batch_size, drop_last, workers
        self._seed, self._stage, self._epoch = seed, stage, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch
        self._images.set_epoch(epoch)

    def __len__(self) -> int:
        return count_of(len(self._images), self._batch_size, self._drop_last)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self._images), generator=stream(self._seed, self._stage, self._epoch))
        batches = [rows.tolist() for rows in batches_of(order, self._batch_size, self._drop_last)]
        own = stream(self._seed, self._stage, self._epoch, "workers")  # else it would draw from the global state
        loader = DataLoader(self._images, batch_sampler=batches, num_workers=self._workers, generator=own)
        losses = loss_stream(self._seed, self._stage, self._epoch)
        for images, labels in loader:
            yield Batch(images, labels, losses)


def loss_stream(seed: int, stage: str, epoch: int) -> torch.Generator:
    """Where the losses of one epoch draw their random numbers from, step after step."""
    return stream(seed, stage, epoch, "loss")
