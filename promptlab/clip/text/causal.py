"""The exact text tower: what the full 77-token encoding computes, without the work that can't change the answer.

CLIP's text transformer is causal and reads its answer at the end-of-text token (EOT). So
(a) prompts are cut at EOT; (b) a prefix that several prompts share runs once, and their tails attend to its keys and
values in every layer; (c) linear layers run over all tokens of all tails packed in one matrix, attention over blocks of
equal shape; (d) the last layer computes the EOT token alone; (e) chunks keep the memory under a budget: where
everything fits, nothing is computed twice, otherwise each chunk is recomputed in the backward pass. Prefix keys and
values are outputs of one graph that every chunk reads, so their gradients gather and the prefix goes backward once.

The result equals the full encoding to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from promptlab.clip.adapters import Adapters, at_end, require_layers
from promptlab.clip.text import memory
from promptlab.clip.text.attention import activation, attend, attend_causally
from promptlab.clip.text.block import finish, queries_keys_values, replace_context
from promptlab.clip.text.chunks import ReadOut, chunked, largest_pair, places_back, recomputed, reorder, sequences
from promptlab.clip.text.edits import Edits
from promptlab.clip.text.pairs import Gather, PairPlan, gather
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import DeepPrompts, PrefixStates
from promptlab.clip.tokens import Tokens
from promptlab.support.transfers import sent


class CausalTower:
    """A frozen causal text transformer of open_clip, driven by embeddings instead of token ids.

    Args:
        model: an open_clip model for which :func:`promptlab.clip.guards.why_not_causal` finds nothing.
        tokens: its tokenizer.
        memory_mb: what the tower may keep for the backward pass, in MiB.
    """

    def __init__(self, model: nn.Module, tokens: Tokens, memory_mb: int) -> None:
        text: Any = getattr(model, "text", model)
        self.tokens = tokens
        self.blocks: Sequence[Any] = list(text.transformer.resblocks)
        self.token_embedding: nn.Embedding = text.token_embedding
        self.positions: Tensor = text.positional_embedding
        self.ln_final: nn.Module = text.ln_final
        self.projection: nn.Module | Tensor | None = text.text_projection
        self.heads: int = self.blocks[0].attn.num_heads
        self.width: int = self.token_embedding.embedding_dim
        self.context_length: int = len(self.positions)
        self.budget = memory_mb * 2**20
        self._activations = [activation(block.mlp[1]) for block in self.blocks]

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return len(self.blocks)

    @property
    def dim(self) -> int:
        """D, width of a text feature."""
        if self.projection is None:
            return self.width
        if isinstance(self.projection, nn.Linear):
            return self.projection.out_features
        return int(self.projection.shape[1])  # type: ignore[index]

    @property
    def token_table(self) -> Tensor:
        """Embeddings of the whole vocabulary, a row (E,) per token."""
        return self.token_embedding.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.positions.device

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        dtype: torch.dtype = self.blocks[0].mlp.c_fc.weight.dtype
        return dtype

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Token embeddings (L, E) of token ids, fp32, without gradient."""
        with torch.no_grad():
            embedded: Tensor = self.token_embedding(sent(torch.tensor(ids, dtype=torch.long), self.device))
            return embedded.float()

    def prefix_states(self, prefixes: Ragged) -> PrefixStates:
        """Run prefixes through all layers.

        Args:
            prefixes: token embeddings without positions.

        Returns:
            Keys and values (T, 2E) of every layer; constant if nothing requires a gradient.
        """
        edits = Edits({}, share=1.0, hidden=None, adapters={})
        return self._prefix_states(prefixes, edits, len(prefixes))

    @torch.no_grad()
    def hidden_states(self, prefixes: Ragged, tails: Ragged, pairs: PairPlan, layer: int) -> tuple[Ragged, Ragged]:
        """What stands before a layer: of the prefixes, and of the tail of each pair, in the order of the pairs.

        Args:
            prefixes: P prefixes as token embeddings.
            tails: token embeddings.
            pairs: the plan of N pairs.
            layer: 0-based.
        """
        edits = Edits({}, share=1.0, hidden=None, adapters={})
        x, keys_values = self._run_prefixes(prefixes, edits, len(prefixes), layer)
        found: list[tuple[int, Tensor]] = []
        for chunk in self._chunks(pairs, self.budget, trains=False):
            hidden = self._run_blocks(keys_values, tails, chunk, edits)
            lengths = [block.tail_length for block in chunk.blocks for _ in range(block.pairs)]
            outputs = [int(place) for block in chunk.blocks for place in block.outputs.ravel()]
            found += zip(outputs, torch.split(hidden, lengths), strict=True)
        of_pairs = [rows for _, rows in sorted(found, key=lambda pair: pair[0])]
        return Ragged(x, prefixes.lengths), Ragged.pack(of_pairs)

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
        """Text features of prompts made of a prefix and a tail.

        Args:
            prefixes: P prefixes as token embeddings, or their states where they are constant.
            tails: token embeddings up to and including EOT.
            pairs: (N, 2) indices (prefix, tail), or a plan kept from an earlier call.
            deep: see :data:`DeepPrompts`.
            queries: (P, D) normalised vectors, one per prefix. Given, features are turned into cosine similarities
                chunk by chunk, so that (N, D) is never held.
            normalised: False for features of the length that the tower gives them; similarities are then dot products.
            share: of ``deep`` vectors in what then stands in their places; the rest is what stood there.
            start: the layer that is entered first, with prefixes and tails as hidden states before it, which
                :meth:`hidden_states` gives; None for embeddings without positions.
            adapters: what blocks get added. All that they touch is computed anew in every call; the memory budget
                cuts chunks, but none is recomputed in the backward pass: a branch may draw random numbers.

        Returns:
            (N, D) features, or (N,) similarities, fp32.

        Raises:
            ValueError: if a prompt is longer than the context length, or prefixes that were worked on meet edits.
            MemoryError: if the budget is too small for a single pair; the message names the minimum.
        """
        edits = Edits(deep or {}, share, start, adapters or {})
        require_layers(edits.adapters, len(self.blocks), "text")
        count = max(len(prefixes.lengths), edits.most_prefixes)
        lengths = prefixes.lengths * (count // len(prefixes.lengths))
        plan = pairs if isinstance(pairs, PairPlan) else PairPlan(pairs.cpu(), lengths, tails.lengths)
        longest = max(block.prefix_length + block.tail_length for block in plan.blocks)
        if start is None and longest > self.context_length:
            raise ValueError(f"a prompt has {longest} tokens, more than the context length of {self.context_length}")
        read_out = ReadOut(queries, normalised)
        if isinstance(prefixes, PrefixStates):
            if edits.adapters or start is not None:
                raise ValueError("prefixes that were worked on hold what blocks were then: give token embeddings")
            return self._encode_tails(prefixes, tails, plan, self.budget, read_out, edits)
        trains = edits.train(prefixes.rows, tails.rows)
        per_prefix = memory.prefix_bytes(self, max(1, *prefixes.lengths), trains)
        memory.require_minimum(self.budget, per_prefix, largest_pair(self, plan, trains))
        most = int(self.budget * memory.PREFIX_SHARE) // per_prefix
        if most >= count:
            states = self._prefix_states(prefixes, edits, count)
            return self._encode_tails(states, tails, plan, self.budget - per_prefix * count, read_out, edits)
        return self._encode_in_groups(prefixes, tails, plan, edits, read_out, most, trains)

    def _encode_in_groups(
        self,
        prefixes: Ragged,
        tails: Ragged,
        plan: PairPlan,
        edits: Edits,
        read_out: ReadOut,
        most: int,
        trains: bool,
    ) -> Tensor:
        """At most ``most`` prefixes at a time; in training each group is recomputed as a whole."""
        budget = int(self.budget * (1 - memory.PREFIX_SHARE))
        packed = torch.split(prefixes.rows, list(prefixes.lengths))

        def encode_group(start: int, stop: int, part: PairPlan) -> Tensor:
            own = prefixes if len(prefixes) == 1 else Ragged.pack(packed[start:stop])
            here = edits.part(start, stop)
            states = self._prefix_states(own, here, stop - start)
            return self._encode_tails(states, tails, part, budget, read_out.part(start, stop), here)

        answers, outputs = [], []
        for start, stop, part, here in plan.in_groups(most):
            group = partial(encode_group, start, stop, part)
            answers.append(recomputed(group) if trains and not edits.adapters else group())
            outputs.append(torch.from_numpy(here))
        return reorder(answers, torch.cat(outputs).to(self.device))

    def _encode_tails(
        self, states: PrefixStates, tails: Ragged, plan: PairPlan, budget: int, read_out: ReadOut, edits: Edits
    ) -> Tensor:
        trains = edits.train(tails.rows, *states.tensors)
        chunks = self._chunks(plan, budget, trains)
        answers = []
        for chunk in chunks:
            answer = partial(self._answer, states, tails, chunk, read_out, edits)
            recompute = trains and len(chunks) > 1 and not edits.adapters
            answers.append(recomputed(answer) if recompute else answer())
        return reorder(answers, torch.cat([chunk.outputs for chunk in chunks]))

    def _answer(self, states: PrefixStates, tails: Ragged, chunk: Gather, read_out: ReadOut, edits: Edits) -> Tensor:
        return read_out.of(self._run_tails(states.tensors, tails, chunk, edits), chunk.prefixes)

    def _prefix_states(self, prefixes: Ragged, edits: Edits, count: int) -> PrefixStates:
        """Keys and values of ``count`` prefixes, which may be one up to a layer that replaces its context."""
        _, keys_values = self._run_prefixes(prefixes, edits, count, len(self.blocks))
        return PrefixStates(tuple(keys_values), prefixes.lengths * (count // len(prefixes)))

    def _run_prefixes(self, prefixes: Ragged, edits: Edits, count: int, stop: int) -> tuple[Tensor, list[Tensor]]:
        """Hidden states (T, E) before layer ``stop``, and keys and values (T, 2E) of the layers below."""
        lengths = prefixes.lengths
        chunk, inverse = sequences(lengths, self.device), places_back(lengths, self.device)
        x = self._positioned(prefixes, chunk, edits)
        keys_values: list[Tensor] = []
        for i in range(edits.start, stop):
            vectors = edits.deep.get(i)
            if vectors is not None:
                if len(lengths) < len(vectors):  # from here on every prefix has its own context
                    lengths = lengths * count
                    x, keys_values = x.repeat(count, 1), [kv.repeat(count, 1) for kv in keys_values]
                    chunk, inverse = sequences(lengths, self.device), places_back(lengths, self.device)
                x = replace_context(x, vectors.to(x.dtype), len(lengths), edits.share)
            q, k, v = queries_keys_values(self.blocks[i], x, edits.of_block(i))
            keys_values.append(torch.cat([k, v], dim=1)[inverse])
            if i + 1 < len(self.blocks):
                x = self._finish(i, x, attend_causally(q, k, v, chunk.blocks, self.heads), edits)
        return x[inverse], keys_values

    def _run_blocks(self, keys_values: Sequence[Tensor], tails: Ragged, chunk: Gather, edits: Edits) -> Tensor:
        """One chunk through the layers that prefixes went through, but the last: (T, E)."""
        x = self._positioned(tails, chunk, edits)
        for i, prefix in enumerate(keys_values, edits.start):
            if i + 1 < len(self.blocks):
                q, k, v = queries_keys_values(self.blocks[i], x, edits.of_block(i))
                x = self._finish(i, x, self._attend(q, k, v, prefix, chunk), edits)
        return x

    def _run_tails(self, keys_values: Sequence[Tensor], tails: Ragged, chunk: Gather, edits: Edits) -> Tensor:
        """One chunk through all layers: (N, D); of the last layer only EOT's answer is read."""
        x, last = self._run_blocks(keys_values, tails, chunk, edits), len(self.blocks) - 1
        q, k, v = queries_keys_values(self.blocks[last], x, edits.of_block(last), queries=chunk.last)
        x = self._finish(last, x[chunk.last], self._attend(q, k, v, keys_values[-1], chunk), edits)
        x = at_end(self.ln_final, edits.of_block(last).ln_post, x)
        if isinstance(self.projection, nn.Module):
            x = self.projection(x)
        elif self.projection is not None:
            x = x @ self.projection
        features: Tensor = x.float()
        return features

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, prefix: Tensor, chunk: Gather) -> Tensor:
        return attend(q, k, v, [prefix[rows] for rows in chunk.prefix_rows], chunk.blocks, self.heads)

    def _positioned(self, sequences: Ragged, chunk: Gather, edits: Edits) -> Tensor:
        rows = sequences.rows[chunk.token_rows]
        return (rows if edits.hidden is not None else rows + self.positions[chunk.positions]).to(self.dtype)

    def _finish(self, i: int, x: Tensor, attended: Tensor, edits: Edits) -> Tensor:
        return finish(self.blocks[i], x, attended, edits.of_block(i), self._activations[i])

    def _chunks(self, plan: PairPlan, budget: int, trains: bool) -> list[Gather]:
        """The plan's chunks under a budget; kept with the plan."""
        if not trains and self.device.type == "cpu":
            budget = max(min(budget, memory.FORWARD_MB * 2**20), largest_pair(self, plan, trains))
        key = (budget, trains, self.width, self.heads, len(self.blocks), self.dtype, self.device)
        if key not in plan.gathers:
            plan.gathers[key] = [gather(plan, blocks, self.device) for blocks in chunked(self, plan, budget, trains)]
        return plan.gathers[key]
