"""The demo's picture world: one spec, one 32x32 RGB picture, the same bytes everywhere.

A picture is a coloured, textured shape (or a whole surface of one pattern) before a background, seen in some light.
Everything is integer arithmetic on a raster of twice the resolution, and every random bit comes from
``numpy.random.RandomState``, whose streams are frozen: no version of any library changes a byte.

The spec (:class:`Picture`) holds numbers only where captions can read them back: a dark picture is one whose light is
low, and :mod:`promptlab.demo.captions` looks at just that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from promptlab.demo.raster import PATTERNS, SHAPES, outline, pattern_mask, rotate, shape_mask
from promptlab.support.arrays import ByteArray, Int32Array

WORLD_VERSION = 1
SIZE = 32
SURFACE = "pattern"  # in the place of a shape: the texture fills the picture


COLOURS = {
    "red": (205, 40, 45),
    "orange": (235, 130, 30),
    "yellow": (235, 215, 50),
    "green": (45, 150, 60),
    "blue": (40, 80, 200),
    "purple": (125, 50, 160),
    "pink": (240, 140, 180),
    "white": (240, 240, 240),
}
BACKGROUNDS = {
    "grey": (128, 128, 128),
    "grass": (95, 140, 75),
    "sand": (205, 185, 140),
    "snow": (225, 230, 238),
    "water": (90, 140, 185),
    "soil": (95, 72, 55),
}
TEXTURES = ("solid", "striped", "dotted", "checkered", "zigzag", "plaid")  # of shapes; surfaces have all PATTERNS
SHAPE_NAMES = tuple(SHAPES)
PATTERN_NAMES = tuple(PATTERNS)
_PAPER = (222, 217, 204)


@dataclass(frozen=True)
class Picture:
    """Everything about one picture.

    Args:
        shape: one of ``SHAPE_NAMES``, or ``SURFACE``.
        colour: one of ``COLOURS``.
        texture: one of ``TEXTURES``; for a surface one of ``PATTERN_NAMES``.
        background: one of ``BACKGROUNDS``.
        size: radius of the shape in half pixels, about 12 to 30.
        x: centre, in half pixels right of the middle.
        y: centre, in half pixels below the middle.
        turn: rotation in steps of 15 degrees, clockwise.
        period: width of a texture's stripe in half pixels, 3 to 8.
        ground: grey level of the texture's second tone, 0 to 255.
        tint: added to the colour, per channel.
        light: gain per channel, 256 leaves it as it is.
        haze: share of grey mist, of 256.
        grain: amplitude of the noise, in grey levels.
        clutter: how far patches of the background differ, in grey levels.
        sketch: lines on paper instead of filled areas.
        seed: of the noise, the clutter and random textures.
    """

    shape: str
    colour: str
    texture: str
    background: str = "grey"
    size: int = 22
    x: int = 0
    y: int = 0
    turn: int = 0
    period: int = 4
    ground: int = 230
    tint: tuple[int, int, int] = (0, 0, 0)
    light: tuple[int, int, int] = (256, 256, 256)
    haze: int = 0
    grain: int = 0
    clutter: int = 0
    sketch: bool = False
    seed: int = 0

    def content_id(self) -> str:
        """32 hex digits that change with the spec and with the world's version."""
        facts = json.dumps([WORLD_VERSION, vars(self)], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.colour} {self.texture} {self.shape} #{self.seed}"


def render(picture: Picture) -> ByteArray:
    """Draw a picture.

    Args:
        picture: what to draw.

    Returns:
        (32, 32, 3) pixels, RGB.
    """
    random = np.random.RandomState(picture.seed)
    areas = _areas(picture, random)
    colour = np.asarray(COLOURS[picture.colour], dtype=np.int32) + np.asarray(picture.tint, dtype=np.int32)
    ground = _PAPER if picture.sketch else (picture.ground,) * 3
    if picture.sketch:
        colour = colour * 7 // 8  # pencils are a little darker than paint, so that white shows on paper
    pixels: Int32Array = areas[0, :, :, None] * colour.clip(0, 255)  # (32, 32, 3)
    pixels += areas[1, :, :, None] * np.asarray(ground, dtype=np.int32)
    pixels += areas[2, :, :, None] * _background(picture, random)
    return _seen(pixels >> 2, picture, random)


def _areas(picture: Picture, random: np.random.RandomState) -> Int32Array:
    """(3, 32, 32): quarters of each pixel covered by the colour, the second tone and the background."""
    u, v = rotate(picture.x, picture.y, picture.turn)  # (64, 64) each
    surface = picture.shape == SURFACE
    inside = np.ones(u.shape, dtype=bool) if surface else shape_mask(picture.shape, u, v, picture.size)
    painted = pattern_mask(picture.texture, u, v, picture.period, random)
    if picture.sketch and not surface:
        painted = outline(inside) | (painted & (picture.texture != "solid"))
    fine = np.stack([inside & painted, inside & ~painted, ~inside]).astype(np.int32)
    quarters: Int32Array = fine.reshape(3, SIZE, 2, SIZE, 2).sum(axis=(2, 4), dtype=np.int32)
    return quarters


def _background(picture: Picture, random: np.random.RandomState) -> Int32Array:
    """(32, 32, 3): one colour with patches of 4x4 pixels that differ by up to ``clutter``."""
    base = np.asarray(_PAPER if picture.sketch else BACKGROUNDS[picture.background], dtype=np.int32)
    clutter = picture.clutter // 4 if picture.sketch else picture.clutter
    patches = random.randint(-128, 129, size=(8, 8, 3)).astype(np.int32) * clutter >> 7
    patches += random.randint(-128, 129, size=(8, 8, 1)).astype(np.int32) * clutter >> 7
    behind: Int32Array = (base + np.repeat(np.repeat(patches, 4, axis=0), 4, axis=1)).clip(0, 255).astype(np.int32)
    return behind


def _seen(pixels: Int32Array, picture: Picture, random: np.random.RandomState) -> ByteArray:
    """What reaches the eye: mist, light and grain."""
    pixels = pixels + ((190 - pixels) * picture.haze >> 8)
    pixels = pixels * np.asarray(picture.light, dtype=np.int32) >> 8
    if picture.grain:
        pixels = pixels + (random.randint(-128, 129, size=pixels.shape).astype(np.int32) * picture.grain >> 7)
    return pixels.clip(0, 255).astype(np.uint8)
