"""Which (prefix, tail) pairs to encode, arranged so that equal shapes are computed together.

Pairs of one prefix length and one tail length whose prefixes have equally many tails form a rectangle of P prefixes x n
tails: attention runs over such blocks without padding and without copying a prefix for each of its tails.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from promptlab.support.transfers import sent

IntArray = npt.NDArray[np.int64]
Lengths = Sequence[int] | IntArray


@dataclass(frozen=True)
class Block:
    """Equal shapes: P prefixes of one length, each with n tails of one length.

    Args:
        prefixes: (P,) indices of prefixes.
        tails: (P, n) indices of tails.
        outputs: (P, n) positions of these pairs in the answer.
        prefix_length: tokens of each prefix.
        tail_length: tokens of each tail.
    """

    prefixes: IntArray
    tails: IntArray
    outputs: IntArray
    prefix_length: int
    tail_length: int

    @property
    def pairs(self) -> int:
        """P x n."""
        return self.tails.size

    def cut(self, most: int) -> Iterator[Block]:
        """Blocks of at most ``most`` pairs that together are this one."""
        per_prefix = self.tails.shape[1]
        rows, columns = max(1, most // per_prefix), min(most, per_prefix)
        for r in range(0, len(self.prefixes), rows):
            for c in range(0, per_prefix, columns):
                here = np.s_[r : r + rows, c : c + columns]
                prefixes = self.prefixes[r : r + rows]
                yield Block(prefixes, self.tails[here], self.outputs[here], self.prefix_length, self.tail_length)


class PairPlan:
    """The blocks of a list of pairs. Building one costs a sort; keep it while the pairs stay the same.

    Args:
        pairs: (N, 2) indices (prefix, tail).
        prefix_lengths: tokens of each prefix.
        tail_lengths: tokens of each tail.

    Raises:
        ValueError: if an index points outside the prefixes or tails, or there are no pairs.

    Example:
        >>> from promptlab.clip import PairPlan
        >>> len(PairPlan.product([5], [3, 4, 4]))  # one prefix before three tails
        3
    """

    def __init__(self, pairs: Tensor | IntArray, prefix_lengths: Lengths, tail_lengths: Lengths) -> None:
        self.pairs: IntArray = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        self.prefix_lengths = np.asarray(prefix_lengths, dtype=np.int64)
        self.tail_lengths = np.asarray(tail_lengths, dtype=np.int64)
        sizes = np.array([len(self.prefix_lengths), len(self.tail_lengths)])
        if not len(self.pairs) or (self.pairs < 0).any() or (self.pairs >= sizes).any():
            raise ValueError(f"pairs must name at least one of {sizes[0]} prefixes and {sizes[1]} tails by index")
        self.gathers: dict[Hashable, list[Gather]] = {}
        self.wholes: dict[Hashable, list[Wholes]] = {}
        self._groups: dict[int, list[tuple[int, int, PairPlan, IntArray]]] = {}

    @classmethod
    def product(cls, prefix_lengths: Sequence[int], tail_lengths: Sequence[int]) -> PairPlan:
        """Every prefix with every tail, prefix-major."""
        grid = np.indices((len(prefix_lengths), len(tail_lengths))).reshape(2, -1).T
        return cls(grid, prefix_lengths, tail_lengths)

    @classmethod
    def zip(cls, prefix_lengths: Sequence[int], tail_lengths: Sequence[int]) -> PairPlan:
        """The i-th prefix with the i-th tail; a single prefix serves all tails."""
        index = np.arange(len(tail_lengths))
        prefix = index if len(prefix_lengths) > 1 else np.zeros_like(index)
        return cls(np.stack([prefix, index], axis=1), prefix_lengths, tail_lengths)

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Rectangles that cover all pairs once."""
        prefix, tail = self.pairs.T
        keys = np.stack([self.prefix_lengths[prefix], self.tail_lengths[tail], prefix], axis=1)
        order = np.lexsort((tail, prefix, keys[:, 1], keys[:, 0]))
        # runs of pairs that share prefix, prefix length and tail length
        _, starts, counts = np.unique(keys[order], axis=0, return_index=True, return_counts=True)
        shapes = np.column_stack([keys[order][starts][:, :2], counts])
        blocks = []
        for prefix_length, tail_length, count in np.unique(shapes, axis=0):
            alike = starts[(shapes == (prefix_length, tail_length, count)).all(axis=1)]
            rows = order[alike[:, None] + np.arange(count)]  # (P, n)
            blocks.append(Block(prefix[rows[:, 0]], tail[rows], rows, int(prefix_length), int(tail_length)))
        return tuple(blocks)

    def in_groups(self, most: int) -> list[tuple[int, int, PairPlan, IntArray]]:
        """Plans of at most ``most`` neighbouring prefixes: (start, stop, plan, positions in this plan's answer)."""
        if most not in self._groups:
            self._groups[most] = [
                (start, min(start + most, len(self.prefix_lengths)), *self._for_prefixes(start, start + most))
                for start in range(0, len(self.prefix_lengths), most)
                if np.isin(self.pairs[:, 0], range(start, start + most)).any()
            ]
        return self._groups[most]

    def _for_prefixes(self, start: int, stop: int) -> tuple[PairPlan, IntArray]:
        here = np.flatnonzero((self.pairs[:, 0] >= start) & (self.pairs[:, 0] < stop))
        pairs = self.pairs[here] - np.array([start, 0])
        return PairPlan(pairs, self.prefix_lengths[start:stop], self.tail_lengths), here


@dataclass(frozen=True)
class Gather:
    """The index tensors of one chunk: where its tokens come from and where its answers go.

    Args:
        blocks: the chunk's blocks; its T tokens lie block after block, each as (P, n, L).
        prefix_rows: per block (P * Lp,) rows of the packed prefixes.
        token_rows: (T,) rows of the packed tails.
        positions: (T,) positions in the prompt.
        last: (N,) the last token of each pair, as a row among the T.
        outputs: (N,) position of each pair in the answer.
        prefixes: (N,) prefix of each pair.
    """

    blocks: tuple[Block, ...]
    prefix_rows: tuple[Tensor, ...]
    token_rows: Tensor
    positions: Tensor
    last: Tensor
    outputs: Tensor
    prefixes: Tensor


@dataclass(frozen=True)
class Wholes:
    """Some prompts of a plan, all filled to one length.

    Args:
        rows: (N, L) rows of the tokens of all prefixes, then of all tails, then of what fills the context.
        lengths: (N,) tokens of each prompt before what fills it.
        prefixes: (N,) the prefix of each.
        outputs: (N,) its place in the answer.
    """

    rows: Tensor
    lengths: Tensor
    prefixes: Tensor
    outputs: Tensor


def gather(plan: PairPlan, blocks: Sequence[Block], device: torch.device) -> Gather:
    """Index tensors of these blocks of a plan, on a device."""
    prefix_start = np.cumsum(plan.prefix_lengths) - plan.prefix_lengths
    tail_start = np.cumsum(plan.tail_lengths) - plan.tail_lengths
    prefix_rows, rows, positions, last, prefixes = [], [], [], [], []
    begin = 0
    for block in blocks:
        tail_span, prefix_span = np.arange(block.tail_length), np.arange(block.prefix_length)
        prefix_rows.append((prefix_start[block.prefixes][:, None] + prefix_span).ravel())
        rows.append((tail_start[block.tails][..., None] + tail_span).ravel())
        positions.append(np.tile(block.prefix_length + tail_span, block.pairs))
        last.append(begin + block.tail_length * np.arange(1, block.pairs + 1) - 1)
        prefixes.append(np.repeat(block.prefixes, block.tails.shape[1]))
        begin += block.pairs * block.tail_length
    outputs = [block.outputs.ravel() for block in blocks]

    def tensor(parts: list[IntArray]) -> Tensor:
        return sent(torch.from_numpy(np.concatenate(parts)), device)

    return Gather(
        tuple(blocks),
        tuple(sent(torch.from_numpy(rows_of_block), device) for rows_of_block in prefix_rows),
        *(tensor(parts) for parts in (rows, positions, last, outputs, prefixes)),
    )
