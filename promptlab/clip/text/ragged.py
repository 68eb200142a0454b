"""Sequences of different lengths, packed into one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """A list of token sequences, one after the other in one matrix, without padding; some may be empty.

    Args:
        rows: (T, E) embeddings of all tokens of all sequences.
        lengths: tokens of each sequence; they sum to T.

    Raises:
        ValueError: if a length is below zero or the lengths don't sum to T.

    Example:
        >>> import torch
        >>> from promptlab.clip import Ragged
        >>> Ragged.pack([torch.zeros(3, 8), torch.zeros(5, 8)]).lengths
        (3, 5)
    """

    rows: Tensor
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if sum(self.lengths) != len(self.rows) or min(self.lengths, default=-1) < 0:
            raise ValueError(
                f"Ragged needs lengths >= 0, at least one, that sum to its {len(self.rows)} rows, got {self.lengths}"
            )

    @classmethod
    def stack(cls, sequences: Tensor) -> Ragged:
        """Sequences of one length: (S, L, E)."""
        count, length, width = sequences.shape
        return cls(sequences.reshape(count * length, width), (length,) * count)

    @classmethod
    def pack(cls, sequences: Sequence[Tensor]) -> Ragged:
        """Sequences of shapes (L_i, E)."""
        return cls(torch.cat(list(sequences)), tuple(len(sequence) for sequence in sequences))

    def __len__(self) -> int:
        return len(self.lengths)
