"""Dassl's RandAugment on a squashed image: the views that CoPrompt trains on.

The image is resized to a square, whatever its shape, then n of sixteen operations are drawn, with replacement and with
equal chance, and done one after the other. A strength m of 30 is the same way along the range of each operation,
whichever end of it changes the image more; what moves, turns or shears does so in either direction. What comes into
view is black, and pixels are those of an image of 224, in proportion elsewhere. The threshold from which on values are
inverted is a whole number: at a strength of 10 theirs, 85 1/3, leaves a value of 85 as it is, which is inverted here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor
from torchvision.transforms import functional as TF

_RANGE_OF_PIXELS = 224
_STRONGEST = 30
_GREY = (125, 123, 114)
Amount = float
Operation = Callable[[Image.Image, Amount, torch.Generator], Image.Image]


@dataclass(frozen=True)
class RandAugmentView:
    """A PIL image to a view of it (3, size, size).

    Args:
        size: side of the view, in pixels.
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
        count: n, operations one after the other.
        strength: m, of 30.

    Example:
        >>> view = RandAugmentView(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        >>> view(Image.new("RGB", (64, 48)), torch.Generator().manual_seed(1)).shape
        torch.Size([3, 32, 32])
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    count: int = 2
    strength: int = 10

    def __call__(self, image: Image.Image, generator: torch.Generator) -> Tensor:
        """Draw a view from the generator."""
        seen = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC)
        for drawn in torch.randint(len(OPERATIONS), (self.count,), generator=generator).tolist():
            operation, low, high = OPERATIONS[drawn]
            seen = operation(seen, low + self.strength / _STRONGEST * (high - low), generator)
        view: Tensor = TF.normalize(TF.to_tensor(seen), list(self.mean), list(self.std))
        return view


def _without_chance(change: Callable[[Image.Image, Amount], Image.Image]) -> Operation:
    return lambda image, amount, generator: change(image, amount)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return _without_chance(lambda image, amount: kind(image).enhance(amount))


def _either_way(change: Callable[[Image.Image, Amount], Image.Image]) -> Operation:
    def operation(image: Image.Image, amount: Amount, generator: torch.Generator) -> Image.Image:
        return change(image, -amount if torch.rand((), generator=generator) > 0.5 else amount)

    return operation


def _affine(matrix: Callable[[Amount], tuple[float, ...]], image: Image.Image, amount: Amount) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix(amount))


def _moved(matrix: Callable[[Amount], tuple[float, ...]]) -> Operation:
    return _either_way(lambda image, pixels: _affine(matrix, image, pixels * image.width / _RANGE_OF_PIXELS))


def _posterize(image: Image.Image, bits: Amount) -> Image.Image:
    return ImageOps.posterize(image, max(1, int(bits)))


def _solarize_add(image: Image.Image, added: Amount) -> Image.Image:
    """Brighter by so much, then what is at 128 or above is inverted."""
    return ImageOps.solarize(image.point(lambda value: min(255, int(value + added))), 128)


def _cutout(image: Image.Image, pixels: Amount, generator: torch.Generator) -> Image.Image:
    """A grey square from half its side before a random point on, as far as the image goes."""
    side = pixels * image.width / _RANGE_OF_PIXELS
    x, y = (max(0, int(at - side / 2)) for at in (torch.rand(2, generator=generator) * image.width).tolist())
    cut = image.copy()
    ImageDraw.Draw(cut).rectangle((x, y, min(image.width, x + side), min(image.height, y + side)), _GREY)
    return cut


OPERATIONS: tuple[tuple[Operation, float, float], ...] = (
    (_without_chance(lambda image, _: ImageOps.autocontrast(image)), 0, 1),
    (_without_chance(lambda image, _: ImageOps.equalize(image)), 0, 1),
    (_without_chance(lambda image, _: ImageOps.invert(image)), 0, 1),
    (_either_way(lambda image, degrees: image.rotate(degrees)), 0, 30),
    (_without_chance(_posterize), 4, 8),
    (_without_chance(lambda image, threshold: ImageOps.solarize(image, int(threshold))), 0, 256),
    (_without_chance(_solarize_add), 0, 110),
    (_enhance(ImageEnhance.Color), 0.1, 1.9),
    (_enhance(ImageEnhance.Contrast), 0.1, 1.9),
    (_enhance(ImageEnhance.Brightness), 0.1, 1.9),
    (_enhance(ImageEnhance.Sharpness), 0.1, 1.9),
    (_either_way(partial(_affine, lambda share: (1, share, 0, 0, 1, 0))), 0, 0.3),
    (_either_way(partial(_affine, lambda share: (1, 0, 0, share, 1, 0))), 0, 0.3),
    (_cutout, 0, 40),
    (_moved(lambda pixels: (1, 0, pixels, 0, 1, 0)), 0, 100),
    (_moved(lambda pixels: (1, 0, 0, 0, 1, pixels)), 0, 100),
)
"""Each with the amounts at strengths 0 and 30, in the authors' order."""
