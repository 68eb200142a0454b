"""The search of Tip-Adapter's alpha and beta on validation images.

Paper: Tip-Adapter, https://arxiv.org/abs/2111.03930; the grid and the order of the search are the authors' code's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST_VOTES = 1 << 24
"""Numbers of a block of votes (images x keys) that are made at once."""


def cache_logits(similarities: Tensor, values: Tensor, beta: float | Tensor) -> Tensor:
    """Votes (B, C) of N keys: ``exp(-beta (1 - similarities)) values``.

    Args:
        similarities: (B, N) cosines of images and keys.
        values: (N, C) 1 where a key is of a class, else 0.
        beta: how fast a vote fades with distance.
    """
    return torch.exp(-beta * (1 - similarities)) @ values


def grid(end: float, steps: int) -> list[float]:
    """The authors' search grid: ``steps`` values from 0.1 up to, but without, ``end``."""
    return [i * (end - 0.1) / steps + 0.1 for i in range(steps)]


def best_pair(
    zero_shot: Tensor,
    similarities: Tensor,
    values: Tensor,
    labels: Tensor,
    alphas: Sequence[float],
    betas: Sequence[float],
) -> tuple[float, float]:
    """The alpha and beta with the most hits; of equals the first, with beta in the outer loop.

    Args:
        zero_shot: (B, C) logits without the cache.
        similarities: (B, N) cosines of images and keys.
        values: (N, C) 1 where a key is of a class, else 0.
        labels: (B,) true classes.
        alphas: values to try.
        betas: values to try.

    Returns:
        Alpha and beta.
    """
    alpha, beta, _ = best_of(zero_shot, similarities, [values], labels, alphas, betas)
    return alpha, beta


def best_of(
    zero_shot: Tensor,
    similarities: Tensor,
    values: Sequence[Tensor],
    labels: Tensor,
    alphas: Sequence[float],
    betas: Sequence[float],
) -> tuple[float, float, int]:
    """As :func:`best_pair`, with several values of the keys in the innermost loop.

    Args:
        zero_shot: (B, C) logits without the cache.
        similarities: (B, N) cosines of images and keys.
        values: each (N, C), what a key's vote counts for a class.
        labels: (B,) true classes.
        alphas: values to try.
        betas: values to try.

    Returns:
        Alpha, beta, and which of the values.
    """
    rows = max(1, MOST_VOTES // max(1, similarities.shape[1]))
    blocks = (slice(start, start + rows) for start in range(0, len(labels), rows))
    hits = [_hits(zero_shot[b], similarities[b], labels[b], values, alphas, betas) for b in blocks]
    counts = torch.stack(hits).sum(0).tolist()
    pair, which = divmod(counts.index(max(counts)), len(values))
    return alphas[pair % len(alphas)], betas[pair // len(alphas)], which


def _hits(
    zero_shot: Tensor, similarities: Tensor, labels: Tensor, values: Sequence[Tensor], alphas: Sequence[float],
    betas: Sequence[float],
) -> Tensor:  # fmt: skip
    """Right images for each choice, beta in the outer loop and the values in the inner one."""
    hits = []
    for beta in betas:
        sharp = torch.exp(-beta * (1 - similarities))
        votes = [sharp @ each for each in values]
        hits += [((zero_shot + alpha * of).argmax(-1) == labels).sum() for alpha in alphas for of in votes]
    return torch.stack(hits)
