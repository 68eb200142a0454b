"""CoOp's training transform: random resized crop and flip, drawn from a stream of the caller's choice.

The draws are torchvision's ``RandomResizedCrop`` and ``RandomHorizontalFlip``, number for number, but they take a
generator: a view's crop can follow from the image alone, in any thread, with no global random state. Under the same
torch seed the picture equals torchvision's.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from promptlab.data.amounts import COOP_SCALE

CROP_RATIO = (3 / 4, 4 / 3)
FLIP_PROBABILITY = 0.5
_VERSION = 1


class ImageSettings(Protocol):
    """What the transforms need to know of a backbone."""

    @property
    def preprocess(self) -> Callable[[Image.Image], Tensor] | None:
        """The evaluation transform, PIL image to (3, H, W); None where there is none."""
        ...

    @property
    def image_size(self) -> int:
        """Side of the input, in pixels."""
        ...

    @property
    def image_mean(self) -> tuple[float, ...]:
        """Mean per channel of pixels in [0, 1]."""
        ...

    @property
    def image_std(self) -> tuple[float, ...]:
        """Standard deviation per channel of pixels in [0, 1]."""
        ...


@dataclass(frozen=True)
class Crop:
    """One draw: the box in pixels of the image, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


class TrainingTransform:
    """Random resized crop (bicubic), mirror, normalise: PIL image to (3, size, size).

    Args:
        size: side of the result, in pixels.
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
        scale: smallest and largest share of the image's area; CoOp uses (0.08, 1).

    Raises:
        ValueError: if ``scale`` is not 0 < smallest <= largest <= 1.

    Example:
        >>> transform = TrainingTransform(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        >>> transform(Image.new("RGB", (64, 48)), torch.Generator().manual_seed(1)).shape
        torch.Size([3, 32, 32])
    """

    def __init__(
        self,
        size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        scale: tuple[float, float] = COOP_SCALE,
    ) -> None:
        low, high = (float(share) for share in scale)
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale={tuple(scale)} needs 0 < smallest <= largest <= 1")
        self.size, self.mean, self.std, self.scale = size, tuple(mean), tuple(std), (low, high)

    def __call__(self, image: Image.Image, generator: torch.Generator | None = None) -> Tensor:
        """Draw a view from ``generator``, or from torch's own stream (a loader process's) if None."""
        image = image.convert("RGB")
        return self.apply(image, draw_crop(image.height, image.width, self.scale, generator))

    def apply(self, image: Image.Image, crop: Crop) -> Tensor:
        """Cut one drawn view out of an RGB image."""
        normalized: Tensor = TF.normalize(TF.to_tensor(self._cut(image, crop)), list(self.mean), list(self.std))
        return normalized

    def _cut(self, image: Image.Image, crop: Crop) -> Image.Image:
        box, size = (crop.top, crop.left, crop.height, crop.width), [self.size, self.size]
        view: Image.Image = TF.resized_crop(image, *box, size, InterpolationMode.BICUBIC)
        return TF.hflip(view) if crop.flip else view

    @property
    def id(self) -> str:
        """Changes with every parameter of the transform."""
        facts = {"size": self.size, "mean": self.mean, "std": self.std, "scale": self.scale, "ratio": CROP_RATIO}
        facts |= {"flip": FLIP_PROBABILITY, "interpolation": "bicubic", "antialias": True, "version": _VERSION}
        low, high = self.scale
        return f"train-{self.size}px-crop{low:g}-{high:g}-{_digest(facts)}"


class TrainingPixels(TrainingTransform):
    """The same views as pixels, a quarter of the bytes for another process or a device, which normalises them.

    Example:
        >>> plain = TrainingTransform(32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
        >>> pixels = TrainingPixels(32, plain.mean, plain.std)
        >>> image, views = Image.new("RGB", (64, 48), "teal"), [torch.Generator().manual_seed(1) for _ in range(2)]
        >>> view = pixels(image, views[0])
        >>> view.dtype, torch.equal(pixels.normalised(view), plain(image, views[1]))
        (torch.uint8, True)
    """

    def apply(self, image: Image.Image, crop: Crop) -> Tensor:
        """Cut one drawn view out of an RGB image: (3, size, size) uint8."""
        pixels: Tensor = TF.pil_to_tensor(self._cut(image, crop))
        return pixels

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels (..., 3, size, size) uint8 to what :class:`TrainingTransform` gives, on any device to equal bits.

        The same divisions in the same order: by tensors, because CUDA multiplies by the reciprocal of a number.
        """
        whole, mean, std = self._constants(pixels.device)
        return pixels.float().div_(whole).sub_(mean).div_(std)

    def _constants(self, device: torch.device) -> tuple[Tensor, ...]:
        """Kept: a copy in every step would be waited for."""
        if device not in self._kept:
            values = torch.tensor([[255.0] * 3, self.mean, self.std]).view(3, 3, 1, 1)
            self._kept[device] = tuple(values.to(device))
        return self._kept[device]

    @cached_property
    def _kept(self) -> dict[torch.device, tuple[Tensor, ...]]:
        return {}


def training_transform(clip: ImageSettings, crop_scale: tuple[float, float] = COOP_SCALE) -> TrainingTransform:
    """CoOp's training transform for a backbone.

    Raises:
        ValueError: if the backbone was given no image transform, or ``crop_scale`` is out of range.

    Example:
        >>> import promptlab
        >>> training_transform(promptlab.load_clip("demo"), (0.5, 1.0)).id[:20]
        'train-32px-crop0.5-1'
    """
    require_preprocess(clip)
    return TrainingTransform(clip.image_size, clip.image_mean, clip.image_std, scale=crop_scale)


def evaluation_transform_id(clip: ImageSettings) -> str:
    """Id of a backbone's evaluation transform: size, mean, deviation, and how its steps describe themselves."""
    steps = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(require_preprocess(clip)))
    facts = {"size": clip.image_size, "mean": clip.image_mean, "std": clip.image_std, "steps": steps}
    return f"eval-{clip.image_size}px-{_digest(facts | {'version': _VERSION})}"


def require_preprocess(clip: ImageSettings) -> Callable[[Image.Image], Tensor]:
    """The backbone's evaluation transform.

    Raises:
        ValueError: if it has none.
    """
    if clip.preprocess is None:
        name = getattr(clip, "name", "this backbone")
        raise ValueError(
            f"{name} has no image transform, so it can't read images. Give FrozenCLIP(preprocess=...) the model's "
            "evaluation transform, or use a dataset of features (dataset=features)."
        )
    return clip.preprocess


def draw_crop(height: int, width: int, scale: tuple[float, float], generator: torch.Generator | None = None) -> Crop:
    """Draw a box and a flip: the draws of ``RandomResizedCrop`` and ``RandomHorizontalFlip``, in their order.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        scale: smallest and largest share of the area.
        generator: the stream to draw from; torch's own if None.

    Returns:
        The view to cut.
    """
    top, left, box_height, box_width = _draw_box(height, width, scale, generator)
    flip = bool(torch.rand(1, generator=generator) < FLIP_PROBABILITY)
    return Crop(top, left, box_height, box_width, flip)


def _draw_box(
    height: int, width: int, scale: tuple[float, float], generator: torch.Generator | None
) -> tuple[int, int, int, int]:
    low, high = torch.log(torch.tensor(CROP_RATIO)).tolist()  # in float32, as torchvision has it
    for _ in range(10):
        area = height * width * torch.empty(1).uniform_(*scale, generator=generator).item()
        ratio = torch.exp(torch.empty(1).uniform_(low, high, generator=generator)).item()
        box_width = round(math.sqrt(area * ratio))
        box_height = round(math.sqrt(area / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            top = int(torch.randint(0, height - box_height + 1, (1,), generator=generator).item())
            left = int(torch.randint(0, width - box_width + 1, (1,), generator=generator).item())
            return top, left, box_height, box_width
    return _central_box(height, width)


def _central_box(height: int, width: int) -> tuple[int, int, int, int]:
    """What is left when ten draws did not fit: the largest central box of an allowed ratio."""
    low, high = CROP_RATIO
    box_height, box_width = height, width
    if width / height < low:
        box_height = round(width / low)
    elif width / height > high:
        box_width = round(height * high)
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width


def _digest(facts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
