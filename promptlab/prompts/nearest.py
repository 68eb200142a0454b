"""Which words learned vectors are closest to, in the token embeddings of the backbone they were learned on.

CoOp's ``interpret_prompt.py`` measures Euclidean distance, always against RN50's table; SHIP compares by cosine.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP

Metric = Literal["euclidean", "cosine"]
_CHUNK = 64  # vectors compared at once: 64 x 49,408 distances take 12 MiB


class Nearest(NamedTuple):
    """The tokens closest to N vectors, closest first.

    Args:
        ids: (N, top) int64, token ids.
        words: the same as text.
        distances: (N, top) fp32.
    """

    ids: Tensor
    words: list[list[str]]
    distances: Tensor


@torch.no_grad()
def nearest_words(clip: FrozenCLIP, vectors: Tensor, top: int = 5, metric: Metric = "euclidean") -> Nearest:
    """Find the tokens whose embeddings are closest to vectors.

    Of a tokenizer that knows which tokens were trained (the demo's), only those are looked at.

    Args:
        clip: the backbone that the vectors were learned on.
        vectors: (N, E).
        top: tokens per vector.
        metric: ``euclidean``, or ``cosine`` for one minus the cosine similarity.

    Raises:
        ValueError: for vectors of another width, an unknown metric, or ``top`` out of range.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> from promptlab.prompts import nearest_words
        >>> learner = promptlab.CoOp(clip, ["red circle", "blue star"], ctx_init="a photo of a")
        >>> [words[0] for words in nearest_words(clip, learner.ctx.detach()).words]
        ['a', 'photo', 'of', 'a']
    """
    table = clip.text_tower.token_table.float()  # (V, E)
    ids = _usable_tokens(clip, len(table)).to(table.device)
    if vectors.ndim != 2 or vectors.shape[1] != table.shape[1]:
        raise ValueError(f"vectors have shape {tuple(vectors.shape)}; {clip.name} needs (N, {table.shape[1]})")
    if metric not in get_args(Metric):
        raise ValueError(f"metric={metric!r}: allowed are {', '.join(get_args(Metric))}")
    if not 1 <= top <= len(ids):
        raise ValueError(f"top={top}: a number from 1 to {len(ids)} is needed")
    rows = table[ids]
    chunks = torch.split(vectors.to(rows), _CHUNK)
    parts = [_distances(chunk, rows, metric).topk(top, largest=False) for chunk in chunks]
    best = ids[torch.cat([part.indices for part in parts])].cpu()
    distances = torch.cat([part.values for part in parts]).cpu()
    return Nearest(best, [[_text(clip, token) for token in row] for row in best.tolist()], distances)


def _usable_tokens(clip: FrozenCLIP, count: int) -> Tensor:
    trained = getattr(clip.tokenizer, "trained_tokens", None)
    return torch.arange(count) if trained is None else torch.tensor(sorted(trained))


def _text(clip: FrozenCLIP, token: int) -> str:
    tokenizer = clip.tokenizer if hasattr(clip.tokenizer, "decode") else clip.tokenizer.tokenizer  # HFTokenizer's own
    return str(tokenizer.decode([token])).strip()


def _distances(vectors: Tensor, rows: Tensor, metric: Metric) -> Tensor:
    """(N, V); exact where a vector is a token's own embedding."""
    if metric == "cosine":
        return 1 - torch.nn.functional.normalize(vectors, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
    return torch.cdist(vectors, rows, compute_mode="donot_use_mm_for_euclid_dist")
