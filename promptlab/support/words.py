"""How messages put things into words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

SHOWN = 5


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def suggest(word: str, allowed: Collection[str]) -> str:
    """``, did you mean X?`` or nothing."""
    close = get_close_matches(word, allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""
