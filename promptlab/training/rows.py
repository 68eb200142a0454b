"""Which rows a batch takes: orders, batches, rounds, and views of cached features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from promptlab.learners.base.stages import Draws, View
from promptlab.support.random_streams import stream
from promptlab.support.transfers import sent


def batches_of(order: Tensor, batch_size: int, drop_last: bool = True) -> list[Tensor]:
    """Consecutive batches of an order (N,); CoOp drops an incomplete last one unless it is the only one."""
    batches = list(torch.split(order, batch_size))
    return batches[:-1] if drop_last and len(batches) > 1 and len(batches[-1]) < batch_size else batches


def count_of(items: int, batch_size: int, drop_last: bool = True) -> int:
    """How many batches :func:`batches_of` makes of so many items; asked in every step, so without making them."""
    full, rest = divmod(items, batch_size)
    return full if full and (drop_last or not rest) else full + 1


def rows_of_epoch(
    draws: Draws, pool: FeaturePool, epoch: int, generator: torch.Generator, batch_size: int, drop_last: bool
) -> list[tuple[Tensor, Tensor]]:
    """The batches of an epoch: rows (B,) of each, and their views as :meth:`FeaturePool.take` reads them.

    Args:
        draws: see :class:`~promptlab.learners.base.stages.GradientStage`.
        pool: N items.
        epoch: 0-based.
        generator: of the epoch.
        batch_size: items per batch.
        drop_last: whether an incomplete last batch is left out.
    """
    N, K = len(pool), pool.kept
    if draws == "pool":
        order = torch.randperm(N * K, generator=generator)
        batches = batches_of(order, batch_size, drop_last)[: count_of(N, batch_size, drop_last)]
        return [(rows // K, rows % K) for rows in batches]
    order = torch.randperm(N, generator=generator)
    views = torch.full((N,), (epoch + 1) % K) if draws == "views_in_turn" else pool.draw(generator)
    return [(rows, views[rows]) for rows in batches_of(order, batch_size, drop_last)]


def rows_of_rounds(start: int, count: int, items: int, seed: int, stage: str) -> Tensor:
    """Rows (count,) from place ``start`` of an endless sequence: all items in one order, then in another, and so on.

    Args:
        start: how many rows were taken before.
        count: how many are wanted.
        items: how many items there are.
        seed: the run's seed.
        stage: the stage's name.
    """
    first, last = start // items, max(start, start + count - 1) // items
    rounds = [
        torch.randperm(items, generator=stream(seed, stage, "unlabelled", number)) for number in range(first, last + 1)
    ]
    return torch.cat(rounds)[start - first * items :][:count]


class FeaturePool:
    """Cached features of items, and which of their views are shown.

    Args:
        features: (N, D), or K random views of each, (N, K, D).
        views: what is shown of each item; one of the K if empty.
        plain: (N, D) under the evaluation transform, needed where a view is ``plain``.

    Raises:
        ValueError: if there are fewer random views than are shown at once.
    """

    def __init__(self, features: Tensor, views: Sequence[View] = (), plain: Tensor | None = None) -> None:
        random = features if features.ndim == 3 else features.unsqueeze(1)
        self._random, self._views = random.shape[1], tuple(views)
        self._features = random if plain is None else torch.cat([random, plain.unsqueeze(1)], 1)
        if self._views.count("random") > self._random:
            raise ValueError(f"{self._views.count('random')} random views of each image are shown at once, and "
                             f"{self._random} are kept: give a larger number of views, or views=online")  # fmt: skip

    def __len__(self) -> int:
        return len(self._features)

    def draw(self, generator: torch.Generator) -> Tensor:
        """The numbers of the views that are shown: (N,), or (N, V) of V views, the random ones of an item distinct."""
        N = len(self)
        if not self._views:
            return torch.randint(self._random, (N,), generator=generator)
        distinct = iter(torch.rand(N, self._random, generator=generator).argsort(1).unbind(1))
        plain = torch.full((N,), self._random)
        return torch.stack([plain if view == "plain" else next(distinct) for view in self._views], 1)  # (N, V)

    @property
    def kept(self) -> int:
        """K, random views of each item; 1 under the evaluation transform."""
        return self._random

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """The shown features (B, D), or (B, V, D), of rows (B,) by their views (B,) or (B, V)."""
        rows, views = sent(rows, self._features.device), sent(views, self._features.device)
        return self._features[rows if views.ndim == 1 else rows.unsqueeze(1), views]
