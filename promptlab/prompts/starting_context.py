"""Where learned context vectors start: at the embeddings of words, or at random."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP

log = logging.getLogger(__name__)


def starting_context(
    clip: FrozenCLIP,
    ctx_init: str | None,
    n_ctx: int | None,
    *,
    default: int,
    copies: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The context vectors that training starts from.

    Args:
        clip: the frozen backbone.
        ctx_init: words to start from; None draws from N(0, 0.02).
        n_ctx: M; if None the number of the words' tokens, or ``default`` without words.
        default: M of the paper.
        copies: C for class-specific contexts, None for one context.
        generator: source of the draw; None seeds one with 0.

    Returns:
        (M, E), or (C, M, E), fp32 on the backbone's device.

    Raises:
        ValueError: for no context, or an ``n_ctx`` that isn't the number of tokens of ``ctx_init``.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> starting_context(clip, "a photo of a", None, default=16).shape == (4, clip.width)
        True
        >>> starting_context(clip, None, None, default=16, copies=5).shape == (5, 16, clip.width)
        True
    """
    leading = () if copies is None else (copies,)
    if ctx_init:
        words = _word_context(clip, ctx_init, n_ctx)
        return words.expand(*leading, *words.shape).clone()
    M = default if n_ctx is None else n_ctx
    if M < 1:
        raise ValueError(f"n_ctx={M}: at least one context vector is needed")
    generator = generator or torch.Generator().manual_seed(0)
    return (0.02 * torch.randn(*leading, M, clip.width, generator=generator)).to(clip.device)


def _word_context(clip: FrozenCLIP, text: str, n_ctx: int | None) -> Tensor:
    """Token embeddings (M, E) of the words to start from."""
    words = text.replace("_", " ")
    embedded = clip.embed_words(words)
    M, spoken = len(embedded), len(words.split())
    if n_ctx not in (None, M):
        raise ValueError(f"n_ctx={n_ctx}, but ctx_init={text!r} has {M} tokens: leave one of the two out (null)")
    if spoken != M:
        log.warning("ctx_init %r has %d words but %d tokens: n_ctx is %d", text, spoken, M, M)
    return embedded
