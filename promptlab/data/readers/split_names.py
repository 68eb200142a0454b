"""The usual words for the three lists of a dataset, as folders, columns and tables have them."""

from __future__ import annotations

import re

_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_FILLERS = "(?:sets?|data|datasets?|splits?|images?|imgs?|pics?|pictures?|photos?|folder|files?)"
_WORD_OF_A_FOLDER = re.compile(f"({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))}|){_FILLERS}*")


def split_of(word: str) -> str | None:
    """``train``, ``val`` or ``test`` for one of the usual words; None for another.

    Example:
        >>> split_of("Validation"), split_of("cats")
        ('val', None)
    """
    return _SPLIT_OF.get(word.strip().lower())


def split_of_folder(name: str) -> str | None:
    """As :func:`split_of` for the name of a folder, which may have ``set``, ``images``, a year and the like in it.

    Example:
        >>> [split_of_folder(name) for name in ("training_set", "TestImages", "imgs-val", "val2017", "train tracks")]
        ['train', 'test', 'val', 'val', None]
    """
    words = [_WORD_OF_A_FOLDER.fullmatch(word) for word in re.findall(r"[^\W\d_]+", name.casefold())]
    if not all(words):
        return None
    said = {_SPLIT_OF[found[1]] for found in words if found is not None and found[1]}
    return said.pop() if len(said) == 1 else None


def split_words() -> str:
    """The words that :func:`split_of` knows, for messages."""
    return ", ".join(_SPLIT_OF)
