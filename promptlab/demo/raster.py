"""Shapes and patterns as integer masks on a 64x64 raster: two samples per pixel in each direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from promptlab.support.arrays import BoolArray, Int32Array

_FINE = 64
# 1024 * sin of 0, 15, ..., 345 degrees.
_QUARTER = (0, 265, 512, 724, 887, 989)
_HALF = (*_QUARTER, 1024, *_QUARTER[:0:-1])
_SIN = (*_HALF, *(-value for value in _HALF))
# 1024 * (cos, sin) of the directions of a pentagon's sides.
_PENTAGON = ((0, 1024), (974, 316), (602, -828), (-602, -828), (-974, 316))
_ROOTS = np.arange(129, dtype=np.int32) ** 2  # squares: isqrt by search, exact
_GRID = np.arange(_FINE, dtype=np.int32) * 2 - (_FINE - 1)  # in quarter pixels, odd, symmetric about 0


def rotate(x: int, y: int, turn: int) -> tuple[Int32Array, Int32Array]:
    """Coordinates about a centre, in an object's own frame.

    Args:
        x: centre, in half pixels right of the middle.
        y: centre, in half pixels below the middle.
        turn: clockwise rotation of the object, in steps of 15 degrees.

    Returns:
        u and v, each (64, 64), in quarter pixels.
    """
    sin, cos = _SIN[turn % 24], _SIN[(turn + 6) % 24]
    right, down = (_GRID - 2 * x)[None, :], (_GRID - 2 * y)[:, None]
    return (cos * right + sin * down) >> 10, (cos * down - sin * right) >> 10


def shape_mask(name: str, u: Int32Array, v: Int32Array, size: int) -> BoolArray:
    """Where a shape of radius ``size`` half pixels is, (64, 64)."""
    return SHAPES[name]((u << 9) // size, (v << 9) // size)  # radius is now 1024


def pattern_mask(name: str, u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    """Where a pattern shows its first tone, (64, 64); ``period`` in half pixels."""
    return PATTERNS[name](u >> 1, v >> 1, period, random)


def outline(inside: BoolArray) -> BoolArray:
    """The inner border of a mask, one pixel wide."""
    core = inside.copy()
    for axis in (0, 1):
        for step in (1, 2, -1, -2):
            core &= np.roll(inside, step, axis)
    return inside & ~core


def _circle(u: Int32Array, v: Int32Array) -> BoolArray:
    return u * u + v * v <= 900**2


def _square(u: Int32Array, v: Int32Array) -> BoolArray:
    return (abs(u) <= 800) & (abs(v) <= 800)


def _triangle(u: Int32Array, v: Int32Array) -> BoolArray:
    return (v <= 700) & (1700 * abs(u) <= 1000 * (v + 1000))


def _star(u: Int32Array, v: Int32Array) -> BoolArray:
    outside = sum(((a * u + b * v >> 10) > 370).astype(np.int32) for a, b in _PENTAGON)
    return np.asarray(outside <= 1) & (u * u + v * v <= 1200**2)


def _cross(u: Int32Array, v: Int32Array) -> BoolArray:
    return (np.minimum(abs(u), abs(v)) <= 300) & (np.maximum(abs(u), abs(v)) <= 950)


def _ring(u: Int32Array, v: Int32Array) -> BoolArray:
    r = u * u + v * v
    return (r >= 480**2) & (r <= 980**2)


def _heart(u: Int32Array, v: Int32Array) -> BoolArray:
    lobes = (abs(u) - 440) ** 2 + (v + 330) ** 2 <= 500**2
    return lobes | ((v >= -330) & (v + abs(u) * 11 // 10 <= 800) & (abs(u) <= 900))


def _moon(u: Int32Array, v: Int32Array) -> BoolArray:
    return (u * u + v * v <= 980**2) & ((u - 480) ** 2 + v * v >= 760**2)


def _arrow(u: Int32Array, v: Int32Array) -> BoolArray:
    head = (v <= 0) & (abs(u) <= v + 950)
    return head | ((abs(u) <= 330) & (v >= 0) & (v <= 900))


def _hexagon(u: Int32Array, v: Int32Array) -> BoolArray:
    return (abs(v) <= 820) & (887 * abs(u) + 512 * abs(v) <= 820 * 1024)


SHAPES: dict[str, Callable[[Int32Array, Int32Array], BoolArray]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "moon": _moon,
    "arrow": _arrow,
    "hexagon": _hexagon,
}


def _solid(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return np.ones(u.shape, dtype=bool)


def _striped(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return np.asarray(v // period & 1, dtype=bool)


def _dotted(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    across, down = u % (2 * period) - period, v % (2 * period) - period
    return 4 * (across * across + down * down) <= (period * 5 // 4) ** 2


def _checkered(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return np.asarray((u // period + v // period) & 1, dtype=bool)


def _zigzag(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return np.asarray((v + abs(u % (4 * period) - 2 * period)) // period & 1, dtype=bool)


def _plaid(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return (3 * (u % (2 * period)) < 2 * period) | (3 * (v % (2 * period)) < 2 * period)


def _brick(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    row = v // (2 * period)
    along = (u + (row & 1) * 2 * period) % (4 * period)
    return (v % (2 * period) >= 2) & (along >= 2)


def _ringed(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    radius = np.searchsorted(_ROOTS, (u * u + v * v).ravel(), side="right").reshape(u.shape)
    return np.asarray(radius // period & 1, dtype=bool)


def _woven(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    block = (u // (2 * period) + v // (2 * period)) & 1
    return np.where(block == 1, u % period * 2 < period, v % period * 2 < period)


def _speckled(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    noise = random.randint(0, 4, size=(64, 64))
    return np.asarray(noise[(u >> 1) & 63, (v >> 1) & 63] == 0)


def _spotted(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    spots = np.zeros(u.shape, dtype=bool)
    for _ in range(12):
        x, y, radius = (int(value) for value in random.randint((-32, -32, period), (32, 32, 2 * period)))
        spots |= (u - x) ** 2 + (v - y) ** 2 <= radius * radius
    return spots


def _radial(u: Int32Array, v: Int32Array, period: int, random: np.random.RandomState) -> BoolArray:
    return (u > 0) ^ (v > 0) ^ (u > v) ^ (u > -v)


PATTERNS: dict[str, Callable[[Int32Array, Int32Array, int, np.random.RandomState], BoolArray]] = {
    "solid": _solid,
    "striped": _striped,
    "dotted": _dotted,
    "checkered": _checkered,
    "zigzag": _zigzag,
    "plaid": _plaid,
    "brick": _brick,
    "ringed": _ringed,
    "woven": _woven,
    "speckled": _speckled,
    "spotted": _spotted,
    "radial": _radial,
}
