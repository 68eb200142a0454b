"""How the pairs of a plan are cut into chunks that stay under a memory budget, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from promptlab.clip.text.memory import TowerSizes, pair_bytes, require_minimum
from promptlab.clip.text.pairs import Block, Gather, PairPlan, gather


def chunked(tower: TowerSizes, plan: PairPlan, budget: int, trains: bool) -> Iterator[list[Block]]:
    """Blocks of a plan, cut and collected into lists that stay under a budget in bytes.

    Raises:
        MemoryError: if the budget is too small for a single pair.
    """
    require_minimum(budget, 0, largest_pair(tower, plan, trains))
    chunk: list[Block] = []
    free = budget
    for block in plan.blocks:
        per_pair = pair_bytes(tower, block.prefix_length, block.tail_length, trains)
        for piece in block.cut(budget // per_pair):
            if piece.pairs * per_pair > free:
                yield chunk
                chunk, free = [], budget
            chunk.append(piece)
            free -= piece.pairs * per_pair
    yield chunk


def largest_pair(tower: TowerSizes, plan: PairPlan, trains: bool) -> int:
    """Bytes kept for the pair of a plan that takes the most."""
    return max(pair_bytes(tower, block.prefix_length, block.tail_length, trains) for block in plan.blocks)


@lru_cache(maxsize=64)
def sequences(lengths: tuple[int, ...], device: torch.device) -> Gather:
    """Each sequence as a tail behind one empty prefix."""
    plan = PairPlan.zip((0,), lengths)
    return gather(plan, plan.blocks, device)


@lru_cache(maxsize=64)
def places_back(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Where :func:`sequences` put each token."""
    rows = sequences(lengths, device).token_rows
    inverse = torch.empty_like(rows)
    inverse[rows] = torch.arange(len(rows), device=device)
    return inverse


@dataclass(frozen=True)
class ReadOut:
    """What is answered of features: themselves, or with queries (P, D) their similarities to these."""

    queries: Tensor | None
    normalised: bool

    def part(self, start: int, stop: int) -> ReadOut:
        """The same for some of the prefixes."""
        return ReadOut(None if self.queries is None else self.queries[start:stop], self.normalised)

    def of(self, features: Tensor, prefixes: Tensor) -> Tensor:
        """The answer of features (N, D) whose prefixes are these (N,)."""
        if self.normalised:
            features = F.normalize(features, dim=-1)
        return features if self.queries is None else (features * self.queries[prefixes]).sum(-1)


def recomputed(function: Callable[[], Tensor]) -> Tensor:
    """What a function gives, computed again in the backward pass instead of being kept."""
    answer: Tensor = checkpoint(function, use_reentrant=False, preserve_rng_state=False)
    return answer


def reorder(answers: list[Tensor], outputs: Tensor) -> Tensor:
    """Answers of chunks, back in the order of the pairs."""
    joined = torch.cat(answers) if len(answers) > 1 else answers[0]
    return joined[torch.argsort(outputs)]
