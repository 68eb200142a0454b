"""Items as a torch dataset of pictures: for ``views=online`` and for learners that need images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from promptlab.data.items import Items
from promptlab.features.transforms import TrainingTransform


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Decodes and transforms an item when asked for it.

    Args:
        items: N labelled images.
        transform: PIL image to (3, H, W): a backbone's ``preprocess``, or :func:`training_transform`.
        seed: for a training transform: the stream of each view follows from the seed, the epoch and the position, so
            that neither the order of the items nor the number of loader processes matters. None draws from torch's
            own stream, as CoOp does.
    """

    def __init__(
        self, items: Items, transform: Callable[[Image.Image], Tensor] | TrainingTransform, *, seed: int | None = None
    ) -> None:
        self.items = items
        self.transform = transform
        self.seed = seed
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # loader processes that live on see it too

    def set_epoch(self, epoch: int) -> None:
        """Choose the views of an epoch; without it, every epoch of a seeded dataset shows the same ones."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        """One item.

        Returns:
            The picture, (3, H, W) float32, and its label.

        Raises:
            DatasetError: if the image can't be read; the message names it.
        """
        image = self.items.source.open(int(self.items.indices[position]))
        label = int(self.items.labels[position])
        if isinstance(self.transform, TrainingTransform) and self.seed is not None:
            return self.transform(image, self._generator(position)), label
        return self.transform(image), label

    def _generator(self, position: int) -> torch.Generator:
        key = f"{self.seed}:{int(self._epoch.item())}:{position}".encode()
        return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(key).digest()[:7], "big"))
