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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from promptlab.clip.text import memory
from promptlab.clip.text.attention import activation, attend, attend_causally
from promptlab.clip.text.pairs import Block, Gather, PairPlan, gather
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import DeepPrompts, PrefixStates


class CausalTower:
    """A frozen causal text transformer of open_clip, driven by embeddings instead of token ids.

    Args:
        model: an open_clip ``CLIP`` or ``CustomTextCLIP`` that passed :func:`promptlab.clip.guards.require_promptable`.
        memory_mb: what the tower may keep for the backward pass, in MiB.
    """

    def __init__(self, model: nn.Module, memory_mb: int) -> None:
        text: Any = getattr(model, "text", model)
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
            embedded: Tensor = self.token_embedding(torch.tensor(ids, device=self.device))
            return embedded.float()

    def prefix_states(self, prefixes: Ragged, deep: DeepPrompts | None = None) -> PrefixStates:
        """Run prefixes through all layers.

        Args:
            prefixes: token embeddings without positions.
            deep: replacements before given layers; the prefixes must then be of one length.

        Returns:
            Keys and values (T, 2E) of every layer; constant if nothing requires a gradient.
        """
        chunk = _sequences(prefixes.lengths, self.device)
        x = self._positioned(prefixes, chunk)
        inverse = torch.empty_like(chunk.token_rows)
        inverse[chunk.token_rows] = torch.arange(len(inverse), device=inverse.device)
        keys_values = []
        for i, block in enumerate(self.blocks):
            if deep and i in deep:
                x = _replace_context(x, deep[i].to(x.dtype), len(prefixes))
            if i + 1 < len(self.blocks):
                q, k, v = _qkv(block, x)
                x = self._finish(i, x, attend_causally(q, k, v, chunk.blocks, self.heads))
            else:
                k, v = _qkv(block, x)[1:]
            keys_values.append(torch.cat([k, v], dim=1)[inverse])
        return PrefixStates(tuple(keys_values), prefixes.lengths)

    def encode(
        self,
        prefixes: Ragged | PrefixStates,
        tails: Ragged,
        pairs: Tensor | PairPlan,
        *,
        deep: DeepPrompts | None = None,
        queries: Tensor | None = None,
        normalised: bool = True,
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

        Returns:
            (N, D) features, or (N,) similarities, fp32.

        Raises:
            ValueError: if a prompt is longer than the context length.
            MemoryError: if the budget is too small for a single pair; the message names the minimum.
        """
        plan = pairs if isinstance(pairs, PairPlan) else PairPlan(pairs.cpu(), prefixes.lengths, tails.lengths)
        longest = max(block.prefix_length + block.tail_length for block in plan.blocks)
        if longest > self.context_length:
            raise ValueError(f"a prompt has {longest} tokens, more than the context length of {self.context_length}")
        read_out = _ReadOut(queries, normalised)
        if isinstance(prefixes, PrefixStates):
            return self._encode_tails(prefixes, tails, plan, self.budget, read_out)
        trains = torch.is_grad_enabled() and _any_gradient(prefixes.rows, tails.rows, *(deep or {}).values())
        per_prefix = memory.prefix_bytes(self, max(prefixes.lengths), trains)
        memory.require_minimum(self.budget, per_prefix, self._largest_pair(plan, trains))
        most = int(self.budget * memory.PREFIX_SHARE) // per_prefix
        if most >= len(prefixes):
            states = self.prefix_states(prefixes, deep)
            return self._encode_tails(states, tails, plan, self.budget - per_prefix * len(prefixes), read_out)
        return self._encode_in_groups(prefixes, tails, plan, deep or {}, read_out, most, trains)

    def _encode_in_groups(
        self,
        prefixes: Ragged,
        tails: Ragged,
        plan: PairPlan,
        deep: DeepPrompts,
        read_out: _ReadOut,
        most: int,
        trains: bool,
    ) -> Tensor:
        """At most ``most`` prefixes at a time; in training each group is recomputed as a whole."""
        budget = int(self.budget * (1 - memory.PREFIX_SHARE))
        packed = torch.split(prefixes.rows, list(prefixes.lengths))

        def encode_group(start: int, stop: int, part: PairPlan) -> Tensor:
            deep_here = {i: vectors if len(vectors) == 1 else vectors[start:stop] for i, vectors in deep.items()}
            states = self.prefix_states(Ragged.pack(packed[start:stop]), deep_here)
            return self._encode_tails(states, tails, part, budget, read_out.part(start, stop))

        answers, outputs = [], []
        for start, stop, part, here in plan.in_groups(most):
            group = partial(encode_group, start, stop, part)
            answers.append(_recomputed(group) if trains else group())
            outputs.append(torch.from_numpy(here))
        return _reorder(answers, torch.cat(outputs).to(self.device))

    def _encode_tails(
        self, states: PrefixStates, tails: Ragged, plan: PairPlan, budget: int, read_out: _ReadOut
    ) -> Tensor:
        trains = torch.is_grad_enabled() and _any_gradient(tails.rows, *states.tensors)
        chunks = self._chunks(plan, budget, trains)
        answers = []
        for chunk in chunks:
            answer = partial(self._answer, states, tails, chunk, read_out)
            answers.append(_recomputed(answer) if trains and len(chunks) > 1 else answer())
        return _reorder(answers, torch.cat([chunk.outputs for chunk in chunks]))

    def _answer(self, states: PrefixStates, tails: Ragged, chunk: Gather, read_out: _ReadOut) -> Tensor:
        return read_out.of(self._run_tails(states.tensors, tails, chunk), chunk.prefixes)

    def _run_tails(self, keys_values: Sequence[Tensor], tails: Ragged, chunk: Gather) -> Tensor:
        """One chunk through all layers: (N, D)."""
        x = self._positioned(tails, chunk)  # (T, E)
        for i, (block, prefix) in enumerate(zip(self.blocks, keys_values, strict=True)):
            if i + 1 < len(self.blocks):
                q, k, v = _qkv(block, x)
            else:  # only EOT's answer is read
                q, k, v = _qkv(block, x, queries=chunk.last)
                x = x[chunk.last]
            prefixes = [prefix[rows] for rows in chunk.prefix_rows]
            x = self._finish(i, x, attend(q, k, v, prefixes, chunk.blocks, self.heads))
        x = self.ln_final(x)
        if isinstance(self.projection, nn.Module):
            x = self.projection(x)
        elif self.projection is not None:
            x = x @ self.projection
        features: Tensor = x.float()
        return features

    def _positioned(self, sequences: Ragged, chunk: Gather) -> Tensor:
        return (sequences.rows[chunk.token_rows] + self.positions[chunk.positions]).to(self.dtype)

    def _finish(self, i: int, x: Tensor, attended: Tensor) -> Tensor:
        """What follows attention in layer i."""
        block = self.blocks[i]
        x = _residual(x, block.ls_1(block.attn.out_proj(attended)))
        hidden = self._activations[i](block.mlp[0](block.ln_2(x)))
        return _residual(x, block.ls_2(block.mlp[2](hidden)))

    def _chunks(self, plan: PairPlan, budget: int, trains: bool) -> list[Gather]:
        """The plan's chunks under a budget; kept with the plan."""
        key = (budget, trains, self.width, self.heads, len(self.blocks), self.dtype, self.device)
        if key not in plan.gathers:
            plan.gathers[key] = [gather(plan, blocks, self.device) for blocks in self._fill(plan, budget, trains)]
        return plan.gathers[key]

    def _fill(self, plan: PairPlan, budget: int, trains: bool) -> Iterator[list[Block]]:
        """Blocks cut and collected into lists that stay under the budget."""
        memory.require_minimum(budget, 0, self._largest_pair(plan, trains))
        chunk: list[Block] = []
        free = budget
        for block in plan.blocks:
            per_pair = memory.pair_bytes(self, block.prefix_length, block.tail_length, trains)
            for piece in block.cut(budget // per_pair):
                if piece.pairs * per_pair > free:
                    yield chunk
                    chunk, free = [], budget
                chunk.append(piece)
                free -= piece.pairs * per_pair
        yield chunk

    def _largest_pair(self, plan: PairPlan, trains: bool) -> int:
        return max(memory.pair_bytes(self, block.prefix_length, block.tail_length, trains) for block in plan.blocks)


@dataclass(frozen=True)
class _ReadOut:
    """What is answered of features: themselves, or with queries (P, D) their similarities to these."""

    queries: Tensor | None
    normalised: bool

    def part(self, start: int, stop: int) -> _ReadOut:
        """The same for some of the prefixes."""
        return _ReadOut(None if self.queries is None else self.queries[start:stop], self.normalised)

    def of(self, features: Tensor, prefixes: Tensor) -> Tensor:
        """The answer of features (N, D) whose prefixes are these (N,)."""
        if self.normalised:
            features = F.normalize(features, dim=-1)
        return features if self.queries is None else (features * self.queries[prefixes]).sum(-1)


@lru_cache(maxsize=64)
def _sequences(lengths: tuple[int, ...], device: torch.device) -> Gather:
    """Each sequence as a tail behind one empty prefix."""
    plan = PairPlan.zip((0,), lengths)
    return gather(plan, plan.blocks, device)


def _qkv(block: Any, x: Tensor, queries: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (scaled), keys and values of packed tokens, each (T, E); queries of some rows alone if given."""
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    width = weight.shape[1]
    scale = (width // block.attn.num_heads) ** -0.5
    x = block.ln_1(x)
    if queries is None:
        q, k, v = torch.split(F.linear(x, weight, bias), width, dim=1)
    else:
        k, v = torch.split(F.linear(x, weight[width:], bias[width:]), width, dim=1)
        q = F.linear(x[queries], weight[:width], bias[:width])
    return q * scale, k, v


def _replace_context(x: Tensor, context: Tensor, count: int) -> Tensor:
    """Positions 1..M of each of ``count`` prefixes (P * Lp, E) become ``context`` (P or 1, M, E)."""
    grid = x.view(count, -1, x.shape[-1])
    context = context.expand(count, -1, -1)
    return torch.cat([grid[:, :1], context, grid[:, 1 + context.shape[1] :]], dim=1).view_as(x)


def _any_gradient(*tensors: Tensor) -> bool:
    return any(tensor.requires_grad for tensor in tensors)


def _residual(x: Tensor, change: Tensor) -> Tensor:
    """Add, into ``change`` where autograd needs neither (under autocast the types differ)."""
    return change.add_(x) if change.dtype == x.dtype else x + change


def _recomputed(function: Callable[[], Tensor]) -> Tensor:
    answer: Tensor = checkpoint(function, use_reentrant=False, preserve_rng_state=False)
    return answer


def _reorder(answers: list[Tensor], outputs: Tensor) -> Tensor:
    """Answers of chunks, back in the order of the pairs."""
    joined = torch.cat(answers) if len(answers) > 1 else answers[0]
    return joined[torch.argsort(outputs)]
