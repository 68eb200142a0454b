"""Items as a torch dataset of pictures: for ``views=online`` and for learners that need images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from promptlab.data.items import Items
from promptlab.features.transforms import TrainingTransform
from promptlab.learners.base.stages import Augmentation
from promptlab.support.random_streams import view_stream


class Pictures(Dataset[tuple[Tensor, int]]):
    """Items that are decoded when asked for, and shown anew every epoch.

    Args:
        items: N labelled images.
    """

    def __init__(self, items: Items) -> None:
        self.items = items
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # loader processes that live on see it too

    def set_epoch(self, epoch: int) -> None:
        """Choose the views of an epoch; without it, every epoch of a seeded dataset shows the same ones."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.items)

    def _open(self, position: int) -> tuple[Image.Image, int]:
        """One item's picture and label."""
        return self.items.source.open(int(self.items.indices[position])), int(self.items.labels[position])


class ImageDataset(Pictures):
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
        super().__init__(items)
        self.transform = transform
        self.seed = seed

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        """One item.

        Returns:
            The picture, (3, H, W) float32, and its label.

        Raises:
            DatasetError: if the image can't be read; the message names it.
        """
        image, label = self._open(position)
        if isinstance(self.transform, TrainingTransform) and self.seed is not None:
            return self.transform(image, self._generator(position)), label
        return self.transform(image), label

    def _generator(self, position: int) -> torch.Generator:
        return view_stream(str(self.seed), int(self._epoch.item()), position)


@dataclass(frozen=True)
class Plain:
    """A transform without chance, where one that draws is expected.

    Args:
        transform: PIL image to (3, H, W).
    """

    transform: Callable[[Image.Image], Tensor]

    def __call__(self, image: Image.Image, generator: torch.Generator) -> Tensor:
        """The picture (3, H, W); nothing is drawn."""
        return self.transform(image)


class SeveralViews(Pictures):
    """Decodes an item once and shows several views of it.

    Args:
        items: N labelled images.
        transforms: K transforms; each view draws from a stream of its own.
        seed: the streams follow from it, the epoch, the position and the view's number.
    """

    def __init__(self, items: Items, transforms: Sequence[Augmentation], *, seed: int) -> None:
        super().__init__(items)
        self.transforms, self.seed = tuple(transforms), seed

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        """The views (K, 3, H, W) of one item, and its label.

        Raises:
            DatasetError: if the image can't be read; the message names it.
        """
        image, label = self._open(position)
        image, epoch = image.convert("RGB"), int(self._epoch.item())
        views = [
            transform(image, view_stream(self.seed, epoch, position, number))
            for number, transform in enumerate(self.transforms)
        ]
        return torch.stack(views), label
