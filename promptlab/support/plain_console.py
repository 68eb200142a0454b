"""A console that takes texts as they are: what data says commands no terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from promptlab.support.words import printable


class PlainConsole(Console):
    """Rich's, on which texts, those in tables too, are no markup and hold no control characters."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """A text of the cells and lines that are printed."""
        return super().render_str(printable(text), **how)
