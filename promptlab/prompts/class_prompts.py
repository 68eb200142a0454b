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

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from promptlab.class_text.given_names import checked_names
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import PrefixStates
from promptlab.prompts.tails import Tails, class_tokens, lay_tails
from promptlab.support.arrays import IntArray
from promptlab.support.transfers import sent

if TYPE_CHECKING:
    from promptlab.clip.frozen import FrozenCLIP

Position = Literal["end", "middle", "front"]


class ClassPrompts:
    """The prompts of C classes, waiting for their context vectors.

    :meth:`encode` and its two sisters give text features. What they hand to the text tower (prefixes, tails and the
    plan of their pairs) comes from calling the prompts, :meth:`for_images` and :meth:`for_samples`.

    Args:
        clip: the frozen backbone.
        class_names: C names; underscores are read as spaces, as CoOp does.
        n_ctx: M, context vectors per prompt.
        position: where the class name stands.
        csc: class-specific contexts, (C, M, E) instead of (M, E).
        words: fixed words that stand before every name.
        ending: what stands behind every name, such as ``", a type of pet."``; a full stop, as CoOp has it, or nothing.

    Raises:
        ValueError: for an empty list of names, an unknown position, no context, or a prompt longer than the
            backbone's context length; the last names the class.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> prompts = ClassPrompts(clip, ["red star", "blue circle"], n_ctx=4)
        >>> prompts.encode(torch.zeros(4, clip.width)).shape == (2, clip.dim)
        True
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: int,
        position: Position = "end",
        csc: bool = False,
        words: str = "",
        ending: str = ".",
    ) -> None:
        self.class_names = checked_names(class_names)
        if not self.class_names:
            raise ValueError("class_names is empty: give at least one class name")
        if position not in get_args(Position):
            raise ValueError(f"class_token_position={position!r}: allowed are {', '.join(get_args(Position))}")
        if n_ctx < 1:
            raise ValueError(f"n_ctx={n_ctx}: at least one context vector is needed")
        self.n_ctx, self.position, self.csc, self.words = n_ctx, position, csc, words
        self._clip, self._tower = clip, clip.text_tower
        self._opening = clip.embed_opening()  # (O, E), SOS for most models
        self.ending = ending
        self._classes = [class_tokens(clip, name, words, ending) for name in class_names]
        clip.warn_of_unknown_words([tokens.text for tokens in self._classes])
        for name, tokens in zip(class_names, self._classes, strict=True):
            length = len(self._opening) + n_ctx + len(tokens.name) + len(tokens.rest)
            if length > clip.context_length:
                raise ValueError(
                    f"the prompt of class {name!r} has {length} tokens with n_ctx={n_ctx}, more than the context "
                    f"length of {clip.context_length}: shorten the name or the context"
                )
        self._shared_prefix = not csc and position != "front"
        self._constant_prefix = None if self._shared_prefix else self._run_constant_prefix()
        self._tails = self._lay_tails()
        self._products: dict[int, PairPlan] = {}
        self._plan = PairPlan.zip(self._prefix_lengths(), self._tails.lengths)

    def encode(self, ctx: Tensor, *, deep: Mapping[int, Tensor] | None = None, normalised: bool = True) -> Tensor:
        """Text features (C, D) with these context vectors.

        Args:
            ctx: (M, E), or (C, M, E) if class-specific.
            deep: layer (0-based) to vectors that replace the context there, or the last of it, (M, E), or (C, M, E) if
                every class has its own; for contexts in front of the names. What is shared runs once up to the first
                such layer.
            normalised: False for features of the length that the tower gives them.

        Raises:
            ValueError: for another shape, or deeper contexts of another layout.
        """
        if deep:
            self._require_in_front("contexts of deeper layers")
        prefixes, tails, plan = self(ctx)
        replaced = {i: vectors if vectors.ndim == 3 else vectors.unsqueeze(0) for i, vectors in (deep or {}).items()}
        if any(len(vectors) > 1 for vectors in replaced.values()):
            plan = self._plan_per_class
        return self._tower.encode(prefixes, tails, plan, deep=replaced, normalised=normalised)

    def encode_for_images(self, contexts: Tensor, *, queries: Tensor | None = None, normalised: bool = True) -> Tensor:
        """Text features where every image has a context of its own, or their similarities to the image's feature.

        Args:
            contexts: (B, M, E).
            queries: image features (B, D), L2-normalised. With them the features of B x C prompts are never all held.

            normalised: as of :meth:`encode`; without it ``queries`` give dot products.

        Returns:
            Features (B, C, D); with ``queries`` cosine similarities (B, C).

        Raises:
            ValueError: as :meth:`for_images`.
        """
        encoded = self._tower.encode(*self.for_images(contexts), queries=queries, normalised=normalised)
        return encoded.view(len(contexts), len(self.class_names), *encoded.shape[1:])

    def encode_for_samples(
        self, contexts: Tensor, labels: Tensor | Sequence[int], *, normalised: bool = True
    ) -> Tensor:
        """Text features (B, D) where every sample has a context and one class of its own.

        Args:
            contexts: (B, M, E), in front of the class name.
            labels: (B,) classes; a tensor on a GPU is waited for.
            normalised: as of :meth:`encode`.

        Raises:
            ValueError: as :meth:`for_samples`.
        """
        return self._tower.encode(*self.for_samples(contexts, labels), normalised=normalised)

    def select(self, class_indices: Sequence[int]) -> ClassPrompts:
        """The prompts of some of the classes."""
        return self.rebind([self.class_names[i] for i in class_indices])

    def rebind(self, class_names: Sequence[str], template: str = "") -> ClassPrompts:
        """Prompts of the same layout for other names; ``template`` is not used."""
        return ClassPrompts(self._clip, class_names, n_ctx=self.n_ctx, position=self.position, csc=self.csc,
                            words=self.words, ending=self.ending)  # fmt: skip

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
            prefix = torch.cat([self._opening, ctx[: self._in_prefix]]).unsqueeze(0)
            return Ragged.stack(prefix), self._tails.with_context(ctx[self._in_prefix :]), self._plan
        return self._constant_prefix, self._tails.with_context(ctx), self._plan

    def for_images(self, contexts: Tensor) -> tuple[Ragged, Ragged, PairPlan]:
        """The arguments of :meth:`TextTower.encode` where every image has a context of its own (class at the end).

        Args:
            contexts: (B, M, E).

        Returns:
            B prefixes, C tails, and the plan of their product, image by image.

        Raises:
            ValueError: for another layout than one shared context in front of the name.
        """
        self._require_in_front("contexts per image")
        B = len(contexts)
        tails = Ragged(self._tails.rows, self._tails.lengths)
        prefixes = Ragged.stack(torch.cat([self._opening.expand(B, -1, -1), contexts], dim=1))
        if B not in self._products:
            self._products[B] = PairPlan.product(prefixes.lengths, tails.lengths)
        return prefixes, tails, self._products[B]

    def for_samples(self, contexts: Tensor, labels: Tensor | Sequence[int]) -> tuple[PrefixStates, Ragged, PairPlan]:
        """The arguments of :meth:`TextTower.encode` where every sample has a context and one class of its own.

        Args:
            contexts: (B, M, E), in front of the class name.
            labels: (B,) classes; a tensor on a GPU is waited for.

        Returns:
            SOS, which all samples share and which is constant, B tails, and their plan.

        Raises:
            ValueError: for another layout than one shared context in front of the name.
        """
        self._require_in_front("contexts per sample")
        B, M, _ = contexts.shape
        starts = np.cumsum((0, *self._tails.lengths))
        rows: list[IntArray] = []  # of the contexts' and then the names' token rows, sample after sample
        classes = labels.tolist() if isinstance(labels, Tensor) else labels
        for sample, label in enumerate(classes):
            rows += [np.arange(sample * M, sample * M + M), B * M + np.arange(starts[label], starts[label + 1])]
        index = sent(torch.from_numpy(np.concatenate(rows)), contexts.device)
        tokens = torch.cat([contexts.flatten(0, 1), self._tails.rows])[index]
        lengths = tuple(M + self._tails.lengths[label] for label in classes)
        return self._opening_states, Ragged(tokens, lengths), PairPlan.zip(self._opening_states.lengths, lengths)

    def _require_in_front(self, contexts: str) -> None:
        if not self._shared_prefix or self.position != "end":
            raise ValueError(f"{contexts} stand in front of the class name, and are no class's own")

    @cached_property
    def _plan_per_class(self) -> PairPlan:
        """Every class behind a prefix of its own, all of one length."""
        return PairPlan.zip(self._prefix_lengths() * len(self.class_names), self._tails.lengths)

    @cached_property
    def _opening_states(self) -> PrefixStates:
        with torch.no_grad():
            return self._tower.prefix_states(Ragged.pack([self._opening]))

    @property
    def _before_name(self) -> int:
        """How many of the context vectors stand before the class name."""
        return {"end": self.n_ctx, "middle": self.n_ctx // 2, "front": 0}[self.position]

    @property
    def _in_prefix(self) -> int:
        """How many of the context vectors are in the shared prefix."""
        return self._before_name if self._shared_prefix else 0

    def _run_constant_prefix(self) -> PrefixStates:
        front = self.position == "front"
        prefixes = [torch.cat([self._opening, tokens.name]) for tokens in self._classes] if front else [self._opening]
        with torch.no_grad():
            return self._tower.prefix_states(Ragged.pack(prefixes))

    def _prefix_lengths(self) -> tuple[int, ...]:
        return (
            (len(self._opening) + self._in_prefix,) if self._constant_prefix is None else self._constant_prefix.lengths
        )

    def _lay_tails(self) -> Tails:
        """What follows the prefix, class by class, with gaps for the context vectors that aren't in it."""
        behind = self.n_ctx - self._in_prefix  # context vectors in each tail
        before = self._before_name - self._in_prefix
        front = self.position == "front"
        names = [tokens.name[:0] if front else tokens.name for tokens in self._classes]
        return lay_tails(names, [tokens.rest for tokens in self._classes], before=before, after=behind - before)
