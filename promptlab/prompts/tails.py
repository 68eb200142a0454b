"""What stands behind the prefix of a class prompt: tokens of the class, with gaps for context vectors among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from promptlab.clip.text.ragged import Ragged

if TYPE_CHECKING:
    from promptlab.clip.frozen import FrozenCLIP


@dataclass(frozen=True)
class ClassTokens:
    """A class's constant tokens.

    Args:
        text: the class's words as they are read.
        name: (L, E) embeddings of the name, with the words before it.
        rest: embeddings of all that follows the name: its ending and EOT.
    """

    text: str
    name: Tensor
    rest: Tensor


def class_tokens(clip: FrozenCLIP, class_name: str, words: str = "", ending: str = ".") -> ClassTokens:
    """Token embeddings of a class; underscores are read as spaces, as CoOp does."""
    text = f"{words} {class_name}".strip().replace("_", " ")
    name, sentence = clip.tokens.later_words(text), clip.tokens.later_words(f"{text}{ending}")
    embedded = clip.text_tower.embed([*sentence, *clip.tokens.closing])
    return ClassTokens(text, embedded[: len(name)], embedded[len(name) :])


@dataclass(frozen=True)
class Tails:
    """The tails of C classes, packed.

    Args:
        rows: (T, E) embeddings of all tokens, zero in the gaps.
        gaps: (C * gaps of a class,) rows that take context vectors.
        lengths: tokens of each tail.
    """

    rows: Tensor
    gaps: Tensor
    lengths: tuple[int, ...]

    def with_context(self, ctx: Tensor) -> Ragged:
        """The tails with context vectors in their gaps: (gaps of a class, E) for all classes, or (C, gaps, E)."""
        if not len(self.gaps):
            return Ragged(self.rows, self.lengths)
        vectors = ctx.expand(len(self.lengths), -1, -1).reshape(-1, ctx.shape[-1])
        return Ragged(self.rows.index_copy(0, self.gaps, vectors), self.lengths)


def lay_tails(names: Sequence[Tensor], rests: Sequence[Tensor], *, before: int, after: int) -> Tails:
    """Tails ``[gaps, name, gaps, rest]``.

    Args:
        names: per class (L, E), possibly empty.
        rests: per class what follows.
        before: gaps in front of the name.
        after: gaps behind it.
    """
    tails: list[Tensor] = []
    gaps: list[int] = []
    start = 0
    for name, rest in zip(names, rests, strict=True):
        second = start + before + len(name)
        gaps += [*range(start, start + before), *range(second, second + after)]
        width = rest.shape[1]
        tails.append(torch.cat([rest.new_zeros(before, width), name, rest.new_zeros(after, width), rest]))
        start += len(tails[-1])
    slots = torch.tensor(gaps, device=rests[0].device, dtype=torch.long)
    return Tails(torch.cat(tails), slots, tuple(len(tail) for tail in tails))
