"""Consoles of few characters (``PYTHONIOENCODING=ascii``, old locales): what they lack is shown in others."""

from __future__ import annotations

import codecs
import sys

_PLAIN = str.maketrans({"±": "+-", "–": "-", "…": "...", "’": "'", "×": "x", "─": "-", "•": "*", "→": "->"})
_HANDLER = "promptlab_plain"


def in_plain_characters(text: str) -> str:
    """A text with the signs that promptlab writes put into ASCII; what is no sign of ours stays.

    Example:
        >>> in_plain_characters("66.25 ±3.80, –")
        '66.25 +-3.80, -'
    """
    return text.translate(_PLAIN)


def never_fail_to_print() -> None:
    """Let the process's two streams show what their encoding lacks: our signs in ASCII, other characters as escapes."""
    codecs.register_error(_HANDLER, _in_other_characters)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def _in_other_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = in_plain_characters(error.object[error.start : error.end])
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
