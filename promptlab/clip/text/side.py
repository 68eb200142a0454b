"""The text side of the frozen CLIP: tokens, their embeddings, features of whole texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.functions import FunctionTower
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.shared import MANY, shared_beginnings
from promptlab.clip.text.tower import PrefixStates, TextTower
from promptlab.clip.tokens import Tokens


class TextSide:
    """What :class:`promptlab.FrozenCLIP` says and computes of texts, by its text tower and its tokens."""

    model: Any
    text_tower: TextTower
    tokens: Tokens
    tokenizer: Any

    @property
    def width(self) -> int:
        """E, width of a token embedding and so of a context vector."""
        return self.text_tower.width

    @property
    def context_length(self) -> int:
        """Longest prompt in tokens, SOS and EOT included."""
        return self.text_tower.context_length

    @property
    def text_layers(self) -> int:
        """Transformer layers of the text tower."""
        return self.text_tower.layers

    @property
    def text_blocks(self) -> Sequence[Any]:
        """The modules of the text tower's layers, frozen."""
        return self.text_tower.blocks

    @property
    def text_norms(self) -> Mapping[str, Any]:
        """The layer norm behind the text tower's blocks, as ``ln_post``."""
        return {"ln_post": getattr(self.model, "text", self.model).ln_final}

    @property
    def dim(self) -> int:
        """D, width of the joint space."""
        return self.text_tower.dim

    @property
    def sot_token(self) -> int:
        """Id of the start-of-text token (SOS), the first of a text that has one."""
        return self.tokens.opening[0]

    @property
    def eot_token(self) -> int:
        """Id of the end-of-text token (EOT), the last of a text that has one."""
        return self.tokens.closing[-1]

    def warn_of_unknown_words(self, texts: Sequence[str]) -> None:
        """Let a tokenizer with a small vocabulary say which words of these texts mean nothing to it."""
        if hasattr(self.tokenizer, "warn_of_unknown_words"):
            self.tokenizer.warn_of_unknown_words(texts)

    def encode_words(self, text: str) -> list[int]:
        """Token ids of a text without SOS and EOT, uncut."""
        return self.tokens.words(text)

    def embed_opening(self) -> Tensor:
        """Token embeddings (L, E) of what every text begins with: SOS, for most; none for some."""
        return self.text_tower.embed(self.tokens.opening)

    def embed_words(self, text: str) -> Tensor:
        """Token embeddings (L, E) of a text without SOS and EOT, fp32, on the backbone's device."""
        return self.text_tower.embed(self.encode_words(text))

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], *, normalised: bool = True) -> Tensor:
        """Features of whole texts. Of very many, a causal tower runs what they begin with alike once.

        Args:
            texts: N texts.
            normalised: False for features of the length that the tower gives them.

        Returns:
            (N, D) fp32.

        Raises:
            ValueError: if a text is longer than the context length; nothing is cut silently.
        """
        if isinstance(self.text_tower, FunctionTower):
            features = self.text_tower.encode_texts(texts)
            return F.normalize(features, dim=-1) if normalised else features
        if len(texts) >= MANY and isinstance(self.text_tower, CausalTower) and self.tokens.opening:
            return self.text_tower.encode(*self._with_beginnings(texts), normalised=normalised)
        tails = self.text_tokens(texts)
        plan = PairPlan.zip(self._opening_states.lengths, tails.lengths)
        return self.text_tower.encode(self._opening_states, tails, plan, normalised=normalised)

    def text_tokens(self, texts: Sequence[str]) -> Ragged:
        """Token embeddings of whole texts behind their opening (SOS), EOT included.

        Raises:
            ValueError: if a text is longer than the context length.
        """
        first = len(self.tokens.opening)
        return Ragged.pack([self.text_tower.embed(tokens[first:]) for tokens in self._ids(texts)])

    def _with_beginnings(self, texts: Sequence[str]) -> tuple[Ragged, Ragged, PairPlan]:
        """What many texts begin with, and how each goes on."""
        ids = self._ids(texts)
        beginnings, of_text = shared_beginnings(ids)
        prefixes = self._embedded(beginnings)
        rests = [tokens[len(beginnings[own]) :] for tokens, own in zip(ids, of_text, strict=True)]
        tails = self._embedded(rests)
        pairs = np.stack([of_text, np.arange(len(ids))], axis=1)
        return prefixes, tails, PairPlan(pairs, prefixes.lengths, tails.lengths)

    def _embedded(self, ids: Sequence[Sequence[int]]) -> Ragged:
        flat = [token for tokens in ids for token in tokens]
        return Ragged(self.text_tower.embed(flat), tuple(len(tokens) for tokens in ids))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, SOS and EOT included, none too long."""
        self.warn_of_unknown_words(texts)
        ids = [self.tokens.of(text) for text in texts]
        for text, tokens in zip(texts, ids, strict=True):
            if len(tokens) > self.context_length:
                raise ValueError(f"{text!r} has {len(tokens)} tokens, more than the {self.context_length} allowed")
        return ids

    @cached_property
    def _opening_states(self) -> PrefixStates:
        with torch.no_grad():
            return self.text_tower.prefix_states(Ragged.pack([self.embed_opening()]))
