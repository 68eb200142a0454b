"""The usual words for the three lists of a dataset, as folders, columns and tables have them."""

from __future__ import annotations

_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}


def split_of(word: str) -> str | None:
    """``train``, ``val`` or ``test`` for one of the usual words; None for another.

    Example:
        >>> split_of("Validation"), split_of("cats")
        ('val', None)
    """
    return _SPLIT_OF.get(word.strip().lower())


def split_words() -> str:
    """The words that :func:`split_of` knows, for messages."""
    return ", ".join(_SPLIT_OF)
