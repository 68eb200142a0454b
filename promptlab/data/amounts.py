"""How many, how large, which share: what such arguments may be, declared once for readers, protocols and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, doc

Count = Annotated[int, Interval(ge=1, le=1_000_000)]
Shots = Count | Literal["all"]
"""Training images per class."""
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
"""Of random streams; Python's own takes -1 for 1, so none is negative."""
KeptViews = Annotated[int, Interval(ge=0, le=10_000)]
Views = KeptViews | Literal["online"]
"""Random views of each image; 0 for the evaluation transform, ``online`` for a fresh one in every step."""
Workers = Annotated[int, Interval(ge=0, le=256)] | Literal["auto"]
"""Processes that decode pictures beside training; 0 decodes in the trainer's own, ``auto`` by the processors."""
FeatureKind = Literal["projected", "pre_projection"]
"""An image's feature in the joint space (D,), or what the image tower multiplies by its last matrix (V,)."""
StatesPrecision = Literal["fp16", "fp32"]
"""What states of the image tower are kept in."""


@dataclass(frozen=True)
class ImageStates:
    """What is kept of an image for a learner that changes the image tower from some layer on alone.

    A row of it has the tokens before that layer and, behind them, the plain feature.

    Args:
        layer: 0-based.
        precision: what it is kept in.
    """

    layer: int
    precision: StatesPrecision = "fp16"

    def __str__(self) -> str:
        return f"states_before_{self.layer}_{self.precision}"


ImageKind = FeatureKind | ImageStates
"""All that is kept of images."""
Share = Annotated[float, Interval(gt=0, le=1)]
Scale = Annotated[tuple[Share, Share], doc("a list of the smallest and largest share of the area, above 0 and to 1,")]
"""How much of an image a random view shows."""
COOP_SCALE: Scale = (0.08, 1.0)
"""CoOp's, which random views have unless a method's paper has another."""
MaxPixels = Annotated[int, Interval(ge=1, le=2**40)]
"""The most pixels that a picture may have."""
GreyBits = Annotated[int, Interval(ge=8, le=32)]
"""Bits that the values of grey pictures fill."""
