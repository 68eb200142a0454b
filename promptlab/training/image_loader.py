"""Batches of pictures that are decoded while training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor

from promptlab.learners.base.stages import Batch
from promptlab.support.random_streams import stream
from promptlab.training.decoder import Decoder
from promptlab.training.loaders import loss_stream, unlabelled_rows
from promptlab.training.pictures import Pictures
from promptlab.training.rows import batches_of, count_of


class ImageLoader:
    """Batches of images, decoded and transformed anew every epoch.

    Args:
        images: a seeded dataset of pictures.
        batch_size: items per batch.
        drop_last: whether an incomplete last batch is left out.
        seed: the run's seed.
        stage: the stage's name.
        workers: processes that decode, while the trainer is busy with the batches before; numbers don't follow from
            how many.
        unlabelled: pictures without labels: each batch gets as many, one round after the other.
    """

    def __init__(
        self,
        images: Pictures,
        *,
        batch_size: int,
        seed: int,
        stage: str,
        drop_last: bool = True,
        workers: int = 0,
        unlabelled: Pictures | None = None,
    ) -> None:
        self._images, self._unlabelled = images, unlabelled
        self._batch_size, self._drop_last = batch_size, drop_last
        self._seed, self._stage, self._epoch = seed, stage, 0
        self._decoder: Decoder | None = Decoder(images, workers, stream(seed, stage, "workers"))
        self._other_decoder: Decoder | None = None
        if unlabelled is not None:
            self._other_decoder = Decoder(unlabelled, workers, stream(seed, stage, "unlabelled workers"))

    def set_epoch(self, epoch: int) -> None:
        """Choose the 0-based epoch."""
        self._epoch = epoch
        self._images.set_epoch(epoch)
        if self._unlabelled is not None:
            self._unlabelled.set_epoch(epoch)

    def __len__(self) -> int:
        return count_of(len(self._images), self._batch_size, self._drop_last)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self._images), generator=stream(self._seed, self._stage, self._epoch))
        batches = batches_of(order, self._batch_size, self._drop_last)
        losses = loss_stream(self._seed, self._stage, self._epoch)
        assert self._decoder is not None
        for (images, labels), others in zip(self._decoder.batches(batches), self._others(batches), strict=False):
            yield Batch(images, labels, losses, others)

    def close(self) -> None:
        """End the processes that decode."""
        self._decoder = self._other_decoder = None

    def _others(self, batches: Sequence[Tensor]) -> Iterable[Tensor | None]:
        """Unlabelled pictures for each batch."""
        if self._unlabelled is None or self._other_decoder is None:
            return repeat(None)
        chosen = unlabelled_rows(batches, len(self._unlabelled), self._seed, self._stage, self._epoch)
        return (images for images, _ in self._other_decoder.batches(chosen))
