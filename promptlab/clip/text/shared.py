"""Which beginnings many texts have in common, so that a causal tower runs each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from promptlab.support.arrays import IntArray

MANY = 2000
"""Texts from which on it is worth the look; fewer share SOS alone."""
_SHARED_BY = 256
"""Texts that make a beginning a prefix: with fewer behind each, attention would run over blocks that are too small."""


def shared_beginnings(ids: Sequence[Sequence[int]]) -> tuple[list[tuple[int, ...]], IntArray]:
    """The longest beginning of each text that enough others have too.

    Args:
        ids: token ids of N texts, each of at least two, that all begin with one token.

    Returns:
        P beginnings, none a whole text, and (N,) which of them each text has.
    """
    counts = Counter(tuple(tokens[:length]) for tokens in ids for length in range(1, len(tokens)))
    chosen = [
        max((length for length in range(1, len(tokens)) if counts[tuple(tokens[:length])] >= _SHARED_BY), default=1)
        for tokens in ids
    ]
    beginnings = [tuple(tokens[:length]) for tokens, length in zip(ids, chosen, strict=True)]
    number = {beginning: place for place, beginning in enumerate(dict.fromkeys(beginnings))}
    return list(number), np.array([number[beginning] for beginning in beginnings], dtype=np.int64)
