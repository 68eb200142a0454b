"""A model's tokenizer, whichever library it comes from: the words of a text, and what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

_BEFORE = "a"
"""A word in front of others, to see how they are cut where they don't begin a text."""


class Tokens:
    """How texts become token ids: ``[opening, words, closing]``, then what fills the context.

    Args:
        tokenizer: open_clip's ``SimpleTokenizer`` or one like it, or its ``HFTokenizer``.

    Example:
        >>> import open_clip
        >>> tokens = Tokens(open_clip.SimpleTokenizer())
        >>> tokens.opening, tokens.closing, tokens.words("a cat")
        ((49406,), (49407,), [320, 2368])
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._is_clips_own = hasattr(tokenizer, "encode") and hasattr(tokenizer, "sot_token_id")
        self._has_class_token = getattr(tokenizer, "tokenizer_mode", None) == "clips"

    @cached_property
    def opening(self) -> tuple[int, ...]:
        """Ids before the words: SOS, a language's code, or none."""
        return self._around[0]

    @cached_property
    def closing(self) -> tuple[int, ...]:
        """Ids behind the words: EOT, or none."""
        return self._around[1]

    @property
    def reserved(self) -> int:
        """Places at the end of the context that no text may take: of a class token, which CLIPS appends."""
        return int(self._has_class_token)

    def of(self, text: str) -> list[int]:
        """Ids of a text with its opening and closing, uncut."""
        if self._is_clips_own or self._has_class_token:
            return [*self.opening, *self.words(text), *self.closing]
        return self._with_specials(text)

    def words(self, text: str) -> list[int]:
        """Ids of a text's words, uncut."""
        if self._is_clips_own:
            return list(self.tokenizer.encode(text))
        return self._bare(text)

    def later_words(self, text: str) -> list[int]:
        """Ids of words that others stand before: some tokenizers cut them otherwise than at the start of a text."""
        if self._is_clips_own:
            return self.words(text)
        before, both = self._bare(_BEFORE), self._bare(f"{_BEFORE} {text}")
        return both[len(before) :] if both[: len(before)] == before else self._bare(text)

    def filler(self, length: int) -> list[int]:
        """Ids that stand in a context of this length where no text does, position by position."""
        return [int(token) for token in self.tokenizer([""], context_length=length)[0]]

    @cached_property
    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self._is_clips_own:
            return (self.tokenizer.sot_token_id,), (self.tokenizer.eot_token_id,)
        if self._has_class_token:
            return (self.tokenizer.tokenizer.bos_token_id,), (self.tokenizer.tokenizer.eos_token_id,)
        words, whole = self._bare(_BEFORE), self._with_specials(_BEFORE)
        count = len(words)
        start = next((i for i in range(len(whole) - count + 1) if whole[i : i + count] == words), 1)
        return tuple(whole[:start]), tuple(whole[start + count :])

    def _bare(self, text: str) -> list[int]:
        ids = self.tokenizer.tokenizer(self.tokenizer.clean_fn(text), add_special_tokens=False)["input_ids"]
        return self._stripped(ids)

    def _with_specials(self, text: str) -> list[int]:
        return self._stripped(self.tokenizer.tokenizer(self.tokenizer.clean_fn(text))["input_ids"])

    def _stripped(self, ids: Sequence[int]) -> list[int]:
        """Zero in place of separators, as open_clip does where a model was trained so (CLIPA)."""
        if not getattr(self.tokenizer, "strip_sep_token", False):
            return list(ids)
        return [0 if token == self.tokenizer.tokenizer.sep_token_id else token for token in ids]
