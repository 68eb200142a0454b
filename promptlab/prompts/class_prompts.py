"""Class prompts with learned context vectors, cut into prefixes and tails for the text tower.

A class prompt is ``[SOS, context 1..M, name, '.', EOT]`` (class at the end), or has the name between the two halves of
the context (middle) or before it (front). What is constant, and what several classes share, decides the cut:

========================  =======================  ==========================  ===============================
layout                    shared prefix, learned   constant prefix             tail of each class
========================  =======================  ==========================  ===============================
end                       SOS, context                                         name, '.', EOT
middle                    SOS, first half                                      name, second half, '.', EOT
front                                              SOS, name (per class)       context, '.', EOT
end, middle; per class                             SOS                         everything after SOS
========================  =======================  ==========================  ===============================
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from promptlab.clip.text.causal import PrefixStates
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.support.arrays import IntArray

if TYPE_CHECKING:
    from promptlab.clip.frozen import FrozenCLIP

Position = Literal["end", "middle", "front"]


class ClassPrompts:
    """The prompts of C classes, waiting for their context vectors.

    Args:
        clip: the frozen backbone.
        class_names: C names; underscores are read as spaces, as CoOp does.
        n_ctx: M, context vectors per prompt.
        position: where the class name stands.
        csc: class-specific contexts, (C, M, E) instead of (M, E).

    Raises:
        ValueError: for an empty list of names, an unknown position, no context, or a prompt longer than the
            backbone's context length; the last names the class.
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: int,
        position: Position = "end",
        csc: bool = False,
    ) -> None:
        if not class_names:
            raise ValueError("class_names is empty: give at least one class name")
        if position not in get_args(Position):
            raise ValueError(f"class_token_position={position!r}: allowed are {', '.join(get_args(Position))}")
        if n_ctx < 1:
            raise ValueError(f"n_ctx={n_ctx}: at least one context vector is needed")
        self.class_names = tuple(class_names)
        self.n_ctx, self.position, self.csc = n_ctx, position, csc
        self._tower = clip.text_tower
        clip.warn_of_unknown_words([_spoken(name) for name in class_names])
        self._sos = self._tower.embed([clip.sot_token])  # (1, E)
        names = [clip.encode_words(_spoken(name)) for name in class_names]
        sentences = [clip.encode_words(f"{_spoken(name)}.") for name in class_names]
        for name, sentence in zip(class_names, sentences, strict=True):
            length = 2 + n_ctx + len(sentence)
            if length > clip.context_length:
                raise ValueError(
                    f"the prompt of class {name!r} has {length} tokens with n_ctx={n_ctx}, more than the context "
                    f"length of {clip.context_length}: shorten the name or the context"
                )
        self._names = [self._tower.embed(s[: len(n)]) for n, s in zip(names, sentences, strict=True)]
        self._rests = [self._tower.embed([*s[len(n) :], clip.eot_token]) for n, s in zip(names, sentences, strict=True)]
        self._shared_prefix = not csc and position != "front"
        self._constant_prefix = None if self._shared_prefix else self._run_constant_prefix()
        self._tail_rows, self._slots, self._tail_lengths = self._lay_tails()
        self._products: dict[int, PairPlan] = {}
        self._plan = PairPlan.zip(self._prefix_lengths(), self._tail_lengths)

    def __call__(self, ctx: Tensor) -> tuple[Ragged | PrefixStates, Ragged, PairPlan]:
        """The arguments of :meth:`TextTower.encode` for these context vectors.

        Args:
            ctx: (M, E), or (C, M, E) if class-specific.

        Raises:
            ValueError: for another shape.
        """
        C, M = len(self.class_names), self.n_ctx
        expected = (C, M, self._tower.width) if self.csc else (M, self._tower.width)
        if tuple(ctx.shape) != expected:
            raise ValueError(f"context vectors have shape {tuple(ctx.shape)}, expected {expected}")
        if self._constant_prefix is None:
            prefix = torch.cat([self._sos, ctx[: self._in_prefix]]).unsqueeze(0)
            return Ragged.stack(prefix), self._tails(ctx[self._in_prefix :]), self._plan
        return self._constant_prefix, self._tails(ctx), self._plan

    def for_images(self, contexts: Tensor) -> tuple[Ragged, Ragged, PairPlan]:
        """The arguments of :meth:`TextTower.encode` where every image has a context of its own (class at the end).

        Args:
            contexts: (B, M, E).

        Returns:
            B prefixes, C tails, and the plan of their product, image by image.

        Raises:
            ValueError: for another layout than one shared context in front of the name.
        """
        if not self._shared_prefix or self.position != "end":
            raise ValueError("contexts per image stand in front of the class name, and are no class's own")
        B = len(contexts)
        tails = Ragged(self._tail_rows, self._tail_lengths)
        prefixes = Ragged.stack(torch.cat([self._sos.expand(B, -1, -1), contexts], dim=1))
        if B not in self._products:
            self._products[B] = PairPlan.product(prefixes.lengths, tails.lengths)
        return prefixes, tails, self._products[B]

    def for_samples(self, contexts: Tensor, labels: Tensor) -> tuple[PrefixStates, Ragged, PairPlan]:
        """The arguments of :meth:`TextTower.encode` where every sample has a context and one class of its own.

        Args:
            contexts: (B, M, E), in front of the class name.
            labels: (B,) classes.

        Returns:
            SOS, which all samples share and which is constant, B tails, and their plan.

        Raises:
            ValueError: for another layout than one shared context in front of the name.
        """
        if not self._shared_prefix or self.position != "end":
            raise ValueError("contexts per sample stand in front of the class name, and are no class's own")
        B, M, _ = contexts.shape
        starts = np.cumsum((0, *self._tail_lengths))
        rows: list[IntArray] = []  # of the contexts' and then the names' token rows, sample after sample
        for sample, label in enumerate(labels.tolist()):
            rows += [np.arange(sample * M, sample * M + M), B * M + np.arange(starts[label], starts[label + 1])]
        index = torch.from_numpy(np.concatenate(rows)).to(contexts.device)
        tokens = torch.cat([contexts.flatten(0, 1), self._tail_rows])[index]
        lengths = tuple(M + self._tail_lengths[label] for label in labels.tolist())
        return self._sos_states, Ragged(tokens, lengths), PairPlan.zip(self._sos_states.lengths, lengths)

    @cached_property
    def _sos_states(self) -> PrefixStates:
        with torch.no_grad():
            return self._tower.prefix_states(Ragged.pack([self._sos]))

    @property
    def _in_prefix(self) -> int:
        """How many of the context vectors are in the shared prefix."""
        if not self._shared_prefix:
            return 0
        return self.n_ctx // 2 if self.position == "middle" else self.n_ctx

    def _run_constant_prefix(self) -> PrefixStates:
        front = self.position == "front"
        prefixes = [torch.cat([self._sos, name]) for name in self._names] if front else [self._sos]
        with torch.no_grad():
            return self._tower.prefix_states(Ragged.pack(prefixes))

    def _prefix_lengths(self) -> tuple[int, ...]:
        return (1 + self._in_prefix,) if self._constant_prefix is None else self._constant_prefix.lengths

    def _lay_tails(self) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """Tails with gaps for the context: rows (T, E), rows of the gaps (C * gaps,), lengths."""
        before = self.n_ctx // 2 if self.position == "middle" else self.n_ctx
        if self.position == "front":
            before = 0
        before -= self._in_prefix  # context vectors in the tail before the name ...
        after = self.n_ctx - self._in_prefix - before  # ... and after it
        tails: list[Tensor] = []
        gaps: list[int] = []
        lengths: list[int] = []
        for name, rest in zip(self._names, self._rests, strict=True):
            name = name[:0] if self.position == "front" else name
            start = sum(lengths)
            second = start + before + len(name)
            gaps += [*range(start, start + before), *range(second, second + after)]
            tail = torch.cat([rest.new_zeros(before, rest.shape[1]), name, rest.new_zeros(after, rest.shape[1]), rest])
            tails.append(tail)
            lengths.append(len(tail))
        return torch.cat(tails), torch.tensor(gaps, device=self._sos.device, dtype=torch.long), tuple(lengths)

    def _tails(self, ctx: Tensor) -> Ragged:
        """Tails with the context vectors (gaps, E) or (C, gaps, E) in their gaps."""
        if not len(self._slots):
            return Ragged(self._tail_rows, self._tail_lengths)
        vectors = ctx.expand(len(self.class_names), -1, -1).reshape(-1, ctx.shape[-1])
        return Ragged(self._tail_rows.index_copy(0, self._slots, vectors), self._tail_lengths)


def _spoken(name: str) -> str:
    return name.replace("_", " ")
