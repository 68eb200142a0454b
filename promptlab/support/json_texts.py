"""JSON that somebody else wrote: whatever it holds, it is read or refused with a ValueError."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def read_json_text(text: str | bytes, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON text holds.

    Args:
        text: the whole document.
        pairs: makes of an object's pairs what stands for it; a dict if None.

    Raises:
        ValueError: if it is no JSON, nested too deeply, or has a number too long to be one.

    Example:
        >>> read_json_text("[1]"), read_json_text("{}")
        ([1], {})
        >>> read_json_text("[" * 100_000)
        Traceback (most recent call last):
        ValueError: it is nested too deeply
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
