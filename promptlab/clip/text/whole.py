"""Prompts that run as wholes: what towers share whose attention isn't causal, so that no prefix can run ahead.

Prefix, tail and what fills the context are put together for each pair. Chunks of prompts stay under the memory budget;
where there are several, each is computed again in the backward pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from promptlab.clip.adapters import Adapters
from promptlab.clip.guards import UnsupportedBackboneError
from promptlab.clip.text import memory
from promptlab.clip.text.chunks import ReadOut, recomputed, reorder
from promptlab.clip.text.edits import Edits
from promptlab.clip.text.pairs import IntArray, PairPlan, Wholes
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import DeepPrompts, PrefixStates
from promptlab.clip.tokens import Tokens
from promptlab.support.transfers import sent


class WholeTower(ABC):
    """A frozen text transformer that sees all tokens of a prompt at once, driven by embeddings.

    Args:
        token_embedding: ids to embeddings.
        tokens: the tokenizer.
        context_length: longest prompt in tokens.
        memory_mb: what the tower may keep for the backward pass, in MiB.
        name: what messages call the model.
    """

    def __init__(
        self, token_embedding: nn.Module, tokens: Tokens, context_length: int, memory_mb: int, name: str
    ) -> None:
        self.token_embedding = token_embedding
        self.tokens = tokens
        self.context_length = context_length
        self.budget = memory_mb * 2**20
        self.name = name

    @property
    @abstractmethod
    def heads(self) -> int:
        """Attention heads of a layer."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Layers."""

    @abstractmethod
    def _features(self, prompts: Tensor, lengths: Tensor, prefixes: Tensor, edits: Edits) -> Tensor:
        """Features (N, D) fp32 of prompts (N, L, E) of so many tokens each, filled to one length."""

    @abstractmethod
    def _length(self, longest: int) -> int:
        """Tokens L that prompts are filled to, of which the longest has so many."""

    def _require(self, edits: Edits) -> None:
        """Refuse what this tower's layers can't take."""
        if edits.deep or edits.adapters:
            self.refuse("prompts of deeper layers or adapters", "it isn't made of CLIP's blocks")

    @property
    def width(self) -> int:
        """E, width of a token embedding."""
        return int(self.token_table.shape[1])

    @property
    def token_table(self) -> Tensor:
        """Embeddings of the whole vocabulary, a row (E,) per token."""
        weight: Tensor = self.token_embedding.weight  # type: ignore[assignment]
        return weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.token_table.device

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        return self.token_table.dtype

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Token embeddings (L, E) of token ids, fp32, without gradient."""
        with torch.no_grad():
            embedded: Tensor = self.token_embedding(sent(torch.tensor(ids, dtype=torch.long), self.device))
            return embedded.float()

    def prefix_states(self, prefixes: Ragged) -> PrefixStates:
        """The prefixes as they are: nothing of them can be computed before their tails are known."""
        return PrefixStates((prefixes.rows,), prefixes.lengths)

    def hidden_states(self, prefixes: Ragged, tails: Ragged, pairs: PairPlan, layer: int) -> tuple[Ragged, Ragged]:
        """Refused: what stands before a layer differs from pair to pair.

        Raises:
            UnsupportedBackboneError: always.
        """
        raise self.refusal("vectors inserted from a later layer on", "its attention isn't causal")

    def encode(
        self,
        prefixes: Ragged | PrefixStates,
        tails: Ragged,
        pairs: Tensor | PairPlan,
        *,
        deep: DeepPrompts | None = None,
        queries: Tensor | None = None,
        normalised: bool = True,
        share: float = 1.0,
        start: int | None = None,
        adapters: Adapters | None = None,
    ) -> Tensor:
        """Text features of prompts made of a prefix and a tail; see :meth:`TextTower.encode`.

        Raises:
            ValueError: if a prompt is longer than the context length.
            MemoryError: if the budget is too small for one prompt; the message names the minimum.
            UnsupportedBackboneError: for edits that the layers can't take.
        """
        edits = Edits(deep or {}, share, start, adapters or {})
        if start is not None:
            raise self.refusal("vectors inserted from a later layer on", "its attention isn't causal")
        self._require(edits)
        rows = prefixes.tensors[0] if isinstance(prefixes, PrefixStates) else prefixes.rows
        count = max(len(prefixes.lengths), edits.most_prefixes)
        lengths = prefixes.lengths * (count // len(prefixes.lengths))
        plan = pairs if isinstance(pairs, PairPlan) else PairPlan(pairs.cpu(), lengths, tails.lengths)
        given = torch.cat([rows.to(tails.rows.dtype), tails.rows, self._filler])
        trains = edits.train(given)
        read_out = ReadOut(queries, normalised)
        chunks = self._chunks(plan, len(rows), len(tails.rows), len(prefixes.lengths), trains)
        answers = []
        for chunk in chunks:
            answer = partial(self._answer, given, chunk, read_out, edits)
            recompute = trains and len(chunks) > 1 and not edits.adapters
            answers.append(recomputed(answer) if recompute else answer())
        return reorder(answers, torch.cat([chunk.outputs for chunk in chunks]))

    def refusal(self, what: str, reason: str) -> UnsupportedBackboneError:
        """The error for what this tower can't take."""
        return UnsupportedBackboneError(f"{self.name} can't take {what} in its text tower: {reason}")

    def refuse(self, what: str, reason: str) -> None:
        """Refuse what this tower can't take.

        Raises:
            UnsupportedBackboneError: always.
        """
        raise self.refusal(what, reason)

    def _answer(self, given: Tensor, chunk: Wholes, read_out: ReadOut, edits: Edits) -> Tensor:
        features = self._features(given[chunk.rows], chunk.lengths, chunk.prefixes, edits)
        return read_out.of(features, chunk.prefixes)

    @cached_property
    def _filler(self) -> Tensor:
        """(L, E) embeddings of what fills the context, position by position."""
        return self.embed(self.filler_ids)

    @cached_property
    def filler_ids(self) -> list[int]:
        """(L,) ids of the same."""
        return self.tokens.filler(self.context_length + self.tokens.reserved)

    def _chunks(self, plan: PairPlan, prefix_rows: int, tail_rows: int, prefixes: int, trains: bool) -> list[Wholes]:
        """The plan's prompts, the short ones first, in chunks under the budget; kept with the plan."""
        key = (self.budget, trains, self.name, prefixes, prefix_rows, tail_rows, self.device)
        if key not in plan.wholes:
            lengths = plan.prefix_lengths[plan.pairs[:, 0]] + plan.tail_lengths[plan.pairs[:, 1]]
            longest = int(lengths.max())
            if longest > self.context_length:
                raise ValueError(
                    f"a prompt has {longest} tokens, more than the context length of {self.context_length}"
                )
            per_prompt = memory.whole_bytes(self, self._length(longest), trains)
            memory.require_minimum(self.budget, 0, per_prompt)
            order = np.argsort(lengths, kind="stable")
            most = self.budget // per_prompt
            parts = [order[start : start + most] for start in range(0, len(order), most)]
            plan.wholes[key] = [self._put_together(plan, part, lengths[part], prefixes) for part in parts]
        return plan.wholes[key]

    def _put_together(self, plan: PairPlan, part: IntArray, lengths: IntArray, prefixes: int) -> Wholes:
        """Which rows make these prompts of a plan."""
        prefix, tail = plan.pairs[part].T
        own = prefix % prefixes  # one prefix may stand for all, with contexts of deeper layers that tell them apart
        prefix_lengths = plan.prefix_lengths[:prefixes]
        prefix_start, tail_start = _starts(prefix_lengths)[own][:, None], _starts(plan.tail_lengths)[tail][:, None]
        cut, end = prefix_lengths[own][:, None], lengths[:, None]
        tails_at = int(prefix_lengths.sum())
        filler_at = tails_at + int(plan.tail_lengths.sum())
        places = np.arange(self._length(int(lengths.max())))[None]
        rows = np.where(places < cut, prefix_start + places, tails_at + tail_start + places - cut)
        rows = np.where(places < end, rows, filler_at + places)  # (N, L)
        found = (rows, lengths, prefix, part)
        return Wholes(*(torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in found))


def _starts(lengths: IntArray) -> IntArray:
    return np.cumsum(lengths) - lengths
