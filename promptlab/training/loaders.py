"""Batches of one epoch, in an order and with views that depend on seed, stage and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promptlab.data.image_dataset import ImageDataset
from promptlab.learners.base import Batch
from promptlab.training.streams import stream


class EpochLoader(Protocol):
    """Iterates over the batches of the epoch that was set last."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


def batches_of(order: Tensor, batch_size: int) -> list[Tensor]:
    """Consecutive batches of an order (N,); an incomplete last one is dropped unless it is the only one (as CoOp)."""
    batches = list(torch.split(order, batch_size))
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < batch_size else batches


class FeatureLoader:
    """Batches of cached features: of each item's K views one is drawn anew every epoch.

    Args:
        features: (N, D), or (N, K, D).
        labels: (N,) int64.
        batch_size: items per batch.
        seed: the run's seed.
        stage: the stage's name.
    """

    def __init__(self, features: Tensor, labels: Tensor, *, batch_size: int, seed: int, stage: str) -> None:
        self._features = features if features.ndim == 3 else features.unsqueeze(1)
        self._labels, self._batch_size = labels, batch_size
        self._seed, self._stage, self._epoch = seed, stage, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(batches_of(self._labels, self._batch_size))

    def __iter__(self) -> Iterator[Batch]:
        N, K, _ = self._features.shape
        generator = stream(self._seed, self._stage, self._epoch)
        order = torch.randperm(N, generator=generator)
        view = torch.randint(K, (N,), generator=generator)
        for rows in batches_of(order, self._batch_size):
            yield Batch(self._features[rows, view[rows]], self._labels[rows])


class ImageLoader:
    """Batches of images, decoded and transformed anew every epoch.

    Args:
        images: a seeded dataset of pictures.
        batch_size: items per batch.
        seed: the run's seed.
        stage: the stage's name.
        workers: processes that decode.
    """

    def __init__(self, images: ImageDataset, *, batch_size: int, seed: int, stage: str, workers: int = 0) -> None:
        self._images = images
        self._batch_size, self._workers = batch_size, workers
        self._seed, self._stage, self._epoch = seed, stage, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch
        self._images.set_epoch(epoch)

    def __len__(self) -> int:
        return len(batches_of(torch.arange(len(self._images)), self._batch_size))

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self._images), generator=stream(self._seed, self._stage, self._epoch))
        batches = [rows.tolist() for rows in batches_of(order, self._batch_size)]
        own = stream(self._seed, self._stage, self._epoch, "workers")  # else it would draw from the global state
        loader = DataLoader(self._images, batch_sampler=batches, num_workers=self._workers, generator=own)
        for images, labels in loader:
            yield Batch(images, labels)
