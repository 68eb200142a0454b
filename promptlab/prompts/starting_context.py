"""Where learned context vectors start: at the embeddings of words, or at random."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Interval, Predicate, doc
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP

log = logging.getLogger(__name__)


def are_words(text: str) -> bool:
    """Whether a text can be words to start from: some, without the braces of a template; none is ``""``, as in CoOp.

    Example:
        >>> are_words("a photo of a"), are_words(""), are_words(" "), are_words("a photo of a {}")
        (True, True, False, False)
    """
    return not text or (any(map(str.isalnum, text)) and not {"{", "}"}.intersection(text))


ContextLength = Annotated[int, Interval(ge=1, le=1000)]
"""M, context vectors."""
ContextWords = Annotated[str, Predicate(are_words), doc("words to start from, without braces,")]
"""Words that context vectors start from."""


def check_context(arguments: Mapping[str, Any]) -> None:
    """Refuse ``ctx_init`` together with a smaller ``n_ctx`` than it has words, each of which is a token or more.

    Args:
        arguments: with both of them.

    Raises:
        ValueError: naming both.

    Example:
        >>> check_context({"n_ctx": 4, "ctx_init": "a photo of a"})
    """
    n_ctx, text = arguments.get("n_ctx"), arguments.get("ctx_init")
    if text and n_ctx is not None and n_ctx < len(text.replace("_", " ").split()):
        raise ValueError(f"n_ctx={n_ctx}, but ctx_init={text!r} has more words: leave one of the two out (null)")


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


def late_context(clip: FrozenCLIP, text: str, n_ctx: int) -> tuple[Tensor, str]:
    """Context vectors of which the last ones are words, a vector each, with zeros before them, as ProGrad begins.

    Args:
        clip: the frozen backbone.
        text: what stands in front of the class name.
        n_ctx: M.

    Returns:
        (M, E), fp32 on the backbone's device, and what of the text has no vector: tokens beyond its number of words,
        since a comma is a token but no word.

    Raises:
        ValueError: for more words than vectors.

    Example:
        >>> import promptlab
        >>> start, fixed = late_context(promptlab.load_clip("demo"), "a type of pet, a photo of a", 16)
        >>> int((start.abs().sum(1) == 0).sum()), fixed
        (8, 'a')
    """
    count = len(text.split())
    if count > n_ctx:
        raise ValueError(f"n_ctx={n_ctx}, but {text!r} has {count} words: give at least as many context vectors")
    tokens = clip.encode_words(text)
    start = torch.zeros(n_ctx, clip.width, device=clip.device)
    if count:
        start[-count:] = clip.text_tower.embed(tokens)[:count]
    return start, clip.tokenizer.decode(tokens[count:]).strip()


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
