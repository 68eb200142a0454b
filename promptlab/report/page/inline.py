"""matplotlib's SVG as a part of a page: its own ids only, its text in the page's font and colour, few digits."""

from __future__ import annotations

import re

from promptlab.report.figures.style import INK

_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->", re.DOTALL)
_SIZE = re.compile(r'(<svg\b[^>]*?) width="[^"]*" height="[^"]*"')
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_DIGITS = re.compile(r"(\d\.\d\d)\d+")


def inline_svg(svg: str, label: str) -> str:
    """An ``<svg>`` element for a page.

    Args:
        svg: what matplotlib wrote, with text as text.
        label: what a screen reader says, HTML-escaped.

    Example:
        >>> inline_svg('<?xml version="1.0"?><svg width="1pt" height="1pt" viewBox="0 0 1 1"><g id="a"/></svg>', "dots")
        '<svg role="img" aria-label="dots" viewBox="0 0 1 1"><g/></svg>'
    """
    text = _DROPPED.sub("", svg[svg.index("<svg") :])
    text = _SIZE.sub(r"\1", text, count=1)
    text = _GROUP_ID.sub("<g", text)
    text = _FONT.sub("", text).replace(INK, "currentColor")
    text = _DIGITS.sub(r"\1", text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").strip()
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
