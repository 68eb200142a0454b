"""A backbone that is quick and easy to see through, and pictures to give it."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from promptlab.data.items import Items
from promptlab.data.sources.files import FileImages


class FakeClip:
    """Features are a fixed random projection of the pixels; counts what it encodes."""

    name = "fake"
    dim = 8
    image_size = 16
    image_mean = (0.5, 0.4, 0.3)
    image_std = (0.2, 0.3, 0.25)
    device = torch.device("cpu")

    def __init__(self, fingerprint="f0", seconds_per_batch=0.0):
        self.fingerprint = fingerprint
        self.seconds = seconds_per_batch
        self.preprocess = Compose(
            [Resize(16), CenterCrop(16), ToTensor(), Normalize(self.image_mean, self.image_std)],
        )
        self.weight = torch.randn(3 * 16 * 16, self.dim, generator=torch.Generator().manual_seed(0))
        self.shapes = []
        self.encoded = 0

    def encode_images(self, images, *, normalised=True, kind="projected"):
        time.sleep(self.seconds)
        self.shapes.append(tuple(images.shape))
        self.encoded += int((images.flatten(1).abs().sum(1) > 0).sum())  # blanks are padding
        raw = images.flatten(1) @ self.weight
        return F.normalize(raw, dim=-1) if normalised else raw

    def expected(self, items):
        pictures = torch.stack([self.preprocess(items.source.open(int(index))) for index in items.indices])
        return F.normalize(pictures.flatten(1) @ self.weight, dim=-1)


def write_pictures(folder: Path, n: int, *, seed: int = 0, size: tuple[int, int] = (24, 20)) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    names = []
    for number in range(n):
        pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        names.append(f"image_{number:04d}.png")
        Image.fromarray(pixels).save(folder / names[-1])
    return names


def picture_items(folder: Path, n: int, **kwargs) -> Items:
    names = write_pictures(folder, n, **kwargs)
    return Items(FileImages(folder, names), np.arange(n), np.arange(n) % 2)


class DyingClip(FakeClip):
    """Kills its own process in its second batch, once: a file says that it has; counts in another."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def encode_images(self, images, **options):
        before = self.encoded
        features = super().encode_images(images, **options)
        with (self.folder / "encoded.log").open("a") as log:
            log.write(f"{self.encoded - before}\n")
        if len(self.shapes) == 2 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return features
