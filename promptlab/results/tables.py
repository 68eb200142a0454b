"""Small tables for people: as text where something is printed, as HTML where a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

Cells = Mapping[str, Sequence[str]]
"""Label of a row to its cells."""


def percent(score: float | None) -> str:
    """A fraction in percent, a dash for none.

    Example:
        >>> percent(0.5), percent(None)
        ('50.00', '–')
    """
    return "–" if score is None else f"{100 * score:.2f}"


def as_text(title: str, columns: Sequence[str], rows: Cells) -> str:
    """The table as lines of text; columns of scores are aligned at their right.

    Example:
        >>> print(as_text("demo", ["base", "new"], {"zero-shot": ["50.00", "1.00"], "coop": ["60.00", "–"]}))
        demo
                    base   new
        zero-shot  50.00  1.00
        coop       60.00     –
    """
    label = max(map(len, rows), default=0)
    widths = [max(map(len, [name, *(cells[i] for cells in rows.values())])) for i, name in enumerate(columns)]
    lines = [
        "  ".join([name.ljust(label), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, cells in {"": columns, **rows}.items()
    ]
    return "\n".join([title, *(line.rstrip() for line in lines)])


def as_html(title: str, columns: Sequence[str], rows: Cells) -> str:
    """The table as HTML.

    Example:
        >>> as_html("a & b", ["top1"], {"coop": ["60.00"]})[:38]
        '<table><caption>a &amp; b</caption><tr'
    """
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("", *columns))
    body = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption><tr>{heads}</tr>{body}</table>"
