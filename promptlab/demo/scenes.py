"""How pictures are drawn at random: the pretraining world, and the datasets' own corners of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from promptlab.demo.world import BACKGROUNDS, COLOURS, PATTERN_NAMES, SHAPE_NAMES, SURFACE, TEXTURES, Picture

Corner = Literal["plain", "sketch", "noise", "dark"]
LAMP = np.array([215, 239, 265])
"""Gain per channel of the bluish light that all datasets are seen in, of 256; pretraining's light is white."""
HELD_OUT_SHARE = 8
"""One of that many combinations of colour, texture and shape never appears in pretraining."""


def held_out(colour: str, texture: str, shape: str) -> bool:
    """Whether pretraining never shows this combination, so that its name means something by composition alone."""
    number = 31 * list(COLOURS).index(colour) + 17 * TEXTURES.index(texture) + 7 * SHAPE_NAMES.index(shape)
    return number % HELD_OUT_SHARE == 0


def pretraining_picture(random: np.random.RandomState) -> Picture:
    """Any picture of the world but the held-out combinations."""
    while True:
        surface = random.randint(8) == 0
        shape = SURFACE if surface else _one(SHAPE_NAMES, random)
        texture = _one(PATTERN_NAMES if surface else TEXTURES, random)
        colour = _one(tuple(COLOURS), random)
        if surface or not held_out(colour, texture, shape):
            return _styled(Picture(shape, colour, texture), random)


def _styled(picture: Picture, random: np.random.RandomState) -> Picture:
    gain = int(random.choice([256, 256, 256, 256, 120, 340]))
    colour_cast = random.randint(-14, 15, size=3)
    return replace(
        picture,
        background=_one(tuple(BACKGROUNDS), random),
        size=int(random.randint(14, 31)),
        x=int(random.randint(-10, 11)),
        y=int(random.randint(-10, 11)),
        turn=int(random.randint(-2, 3)),
        period=int(random.randint(3, 8)),
        ground=int(random.randint(190, 256)) if random.randint(3) else int(random.randint(0, 60)),
        tint=_triple(random.randint(-25, 26, size=3)),
        light=_triple(gain + colour_cast + random.randint(-20, 21)),
        haze=int(random.randint(80, 150)) if random.randint(6) == 0 else int(random.randint(0, 40)),
        grain=int(random.randint(60, 120)) if random.randint(6) == 0 else int(random.randint(0, 30)),
        clutter=int(random.randint(70, 130)) if random.randint(5) == 0 else int(random.randint(0, 50)),
        sketch=random.randint(8) == 0 and picture.shape != SURFACE,
        seed=int(random.randint(2**31 - 1)),
    )


def dataset_picture(subject: Mapping[str, str], corner: Corner, random: np.random.RandomState) -> Picture:
    """A picture of one class: in bluish light, smaller and turned further than in pretraining."""
    picture = Picture(
        subject["shape"],
        subject["colour"],
        subject["texture"],
        background=_one(tuple(BACKGROUNDS), random),
        size=int(random.randint(13, 25)),
        x=int(random.randint(-12, 13)),
        y=int(random.randint(-12, 13)),
        turn=int(random.randint(-4, 5)),
        period=int(random.randint(3, 7)),
        ground=int(random.randint(0, 256)),
        tint=_triple(random.randint(-40, 41, size=3)),
        light=_triple(LAMP + random.randint(-50, 20) + random.randint(-20, 21, size=3)),
        haze=int(random.randint(10, 90)),
        grain=int(random.randint(10, 45)),
        clutter=int(random.randint(20, 80)),
        seed=int(random.randint(2**31 - 1)),
    )
    if corner == "sketch":
        return replace(picture, sketch=True, haze=picture.haze // 3)
    if corner == "noise":
        return replace(picture, grain=picture.grain + 60)
    if corner == "dark":
        return replace(picture, light=_triple(np.asarray(picture.light) // 2))
    return picture


def _one(choices: tuple[str, ...], random: np.random.RandomState) -> str:
    return choices[random.randint(len(choices))]


def _triple(values: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
