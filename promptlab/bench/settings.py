"""What a measurement is asked for, and what follows from that: the backbone, names, images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP, Precision
from promptlab.clip.weights.load import DEMO, load_clip
from promptlab.demo.raster import PATTERNS, SHAPES
from promptlab.demo.world import COLOURS
from promptlab.support.devices import AUTO

_FIRST = """red blue old new tall small dark bright cold warm big black white green brown pink grey long short wide
round flat soft hard fast slow clean wet dry young happy sad rich poor loud quiet sweet fresh wild gold"""
_SECOND = """house star boat tree lake road hill cat dog bird horse fish car train bus plane ship bridge tower church
river beach forest field garden flower apple bread cake table chair lamp door window clock book phone shoe hat ring"""
FIRST, SECOND = tuple(_FIRST.split()), tuple(_SECOND.split())


@dataclass(frozen=True)
class Settings:
    """What every measurement of a step is asked for.

    Args:
        backbone: ``demo``, or an architecture of open_clip.
        pretrained: tag or file of its weights; random weights if None (``demo`` has its own).
        precision: of the frozen weights.
        device: where it runs; ``auto`` as in :func:`load_clip`.
        classes: C.
        n_ctx: M.
        batch: B.
        rounds: how often each side is timed.
        threads: torch's threads; as many as torch chooses if None.
        memory: whether peak memory is measured too, each side in a process of its own.

    Raises:
        ValueError: for a number below 1, or more classes than there are two-word names.
    """

    backbone: str = "ViT-B-16-quickgelu"
    pretrained: str | None = None
    precision: Precision = "fp32"
    device: str = AUTO
    classes: int = 100
    n_ctx: int = 16
    batch: int = 32
    rounds: int = 5
    threads: int | None = None
    memory: bool = True

    def __post_init__(self) -> None:
        for name in ("classes", "n_ctx", "batch", "rounds", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: at least 1 is needed")
        most = len(FIRST) * len(SECOND)
        if self.classes > most:
            raise ValueError(f"classes={self.classes}: there are names for {most}")

    def load(self) -> FrozenCLIP:
        """The backbone; also sets torch's threads."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        tag = self.pretrained if self.backbone == DEMO else self.pretrained or "random"
        return load_clip(self.backbone, tag, precision=self.precision, device=self.device)

    def names(self) -> list[str]:
        """C two-word names; for the demo of words that it knows, for others of words of one token."""
        known = tuple(noun for noun in (*SHAPES, *PATTERNS) if noun != "solid")  # that one goes without saying
        first, second = (tuple(COLOURS), known) if self.backbone == DEMO else (FIRST, SECOND)
        if self.classes > len(first) * len(second):
            first, second = FIRST, SECOND
        named = [f"{a} {b}" for b in second for a in first]
        return named[: self.classes]


class Inputs(NamedTuple):
    """A batch as both sides see it.

    Args:
        images: (B, 3, H, W), preprocessed.
        features: (B, D) of these images, L2-normalised: what promptlab has in its bank.
        labels: (B,).
    """

    images: Tensor
    features: Tensor
    labels: Tensor


def inputs(settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> Inputs:
    """Random images with their features.

    Args:
        settings: B, C.
        clip: the backbone.
        encoded: False for features that don't belong to the images, where only memory matters.
    """
    generator = torch.Generator().manual_seed(0)
    side = clip.image_size
    images = torch.randn(settings.batch, 3, side, side, generator=generator).to(clip.device)
    features = F.normalize(torch.randn(settings.batch, clip.dim, generator=generator), dim=-1).to(clip.device)
    if encoded:
        with torch.no_grad():
            features = clip.encode_images(images)
    labels = torch.arange(settings.batch, device=clip.device) % settings.classes
    return Inputs(images, features, labels)
