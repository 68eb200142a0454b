"""Random streams that are functions of names and numbers, never of what ran before.

Each kind has bits of its own that Results depend on, so they stay apart: torch's generators for training and for
views, Python's for draws of a split, NumPy's (whose streams no version changes) for the demo's pictures.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever reads lists alone waits for neither
    import numpy as np
    import torch

Part = str | int


def stream_seed(*parts: Part) -> int:
    r"""A 63-bit seed that depends on every part, e.g. run seed, stage and epoch.

    Example:
        >>> stream_seed(1, "global") == stream_seed("1\x1fglobal")
        True
    """
    return _digest("\x1f", parts, n_bytes=8) >> 1


def stream(*parts: Part) -> torch.Generator:
    """A CPU generator at :func:`stream_seed` of the parts.

    Example:
        >>> stream(1, "ctx").initial_seed() == stream_seed(1, "ctx")
        True
    """
    return _generator(stream_seed(*parts))


def view_stream(*parts: Part) -> torch.Generator:
    """A CPU generator for one random view: of an image's content, or of a run's epoch and position.

    Example:
        >>> view_stream("ab", 0).initial_seed() == view_stream("ab", 1).initial_seed()
        False
    """
    return _generator(_digest(":", parts, n_bytes=7))


def draw_stream(*parts: Part) -> random.Random:
    """A stream of Python's for one class's draw of a split.

    Example:
        >>> draw_stream(1, "cat").random() == random.Random("1 cat").random()
        True
    """
    return random.Random(" ".join(map(str, parts)))


def picture_stream(*parts: Part) -> np.random.RandomState:
    """A stream of NumPy's for drawn pictures.

    Example:
        >>> int(picture_stream("demo_shapes", "train").randint(100))
        58
    """
    import numpy as np

    return np.random.RandomState(zlib.crc32("/".join(map(str, parts)).encode()))


def _digest(separator: str, parts: tuple[Part, ...], n_bytes: int) -> int:
    """The first bytes of the parts' SHA-256 as a number."""
    text = separator.join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:n_bytes], "big")


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)
