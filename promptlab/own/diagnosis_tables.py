"""A diagnosis on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlab.own.advice import advice, is_unknown
from promptlab.own.diagnosed import Diagnosis
from promptlab.own.diagnosis import worst_first
from promptlab.own.learning_curve import LearningCurve
from promptlab.support.words import counted, printable

ROWS = 10
"""Most rows of a table; the page and ``--json`` have more."""
_BAR = 30


def diagnosis_view(found: Diagnosis) -> Group:
    """What ``promptlab diagnose`` shows: tables, then what to do."""
    return Group(*_spaced([_title(found), *_tables(found), _advice(found)]))


def title_of(found: Diagnosis) -> str:
    """What was scored and how much of it is right, in a line."""
    what = "held-out pictures, each scored by a fold that didn't train on it," if found.held_out else "pictures"
    share = f"{found.right / found.pictures:.1%}" if found.pictures else "none"
    return f"{found.folder}, {found.evaluation}: {found.right:,} of {found.pictures:,} {what} are right ({share})"


def _spaced(parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for place, part in enumerate(parts):
        yield from ("", part) if place else (part,)


def _title(found: Diagnosis) -> Text:
    return _line(title_of(found), "bold")


def _tables(found: Diagnosis) -> Iterator[RenderableType]:
    yield _classes(found)
    if found.wrong:
        rows = [[one.file, one.label, one.said, f"{one.own:.1%}", f"{one.sure:.1%}"] for one in found.wrong]
        yield _table("Most wrong", ["picture", "label", "taken for", "P(label)", "P(taken)"], rows, numbers=2)
    if found.contradictions:
        rows = [[*one.files, *one.labels, f"{one.similarity:.3f}"] for one in found.contradictions]
        yield _table("Same picture, different labels", ["picture", "and", "label", "and", "cosine"], rows, numbers=1)
    if found.names:
        rows = [[one.name, one.other, f"{one.similarity:.3f}"] for one in found.names]
        yield _table("Closest names", ["class", "and", "cosine"], rows, numbers=1)
    if found.curve is not None:
        yield _curve(found.curve)


def _classes(found: Diagnosis) -> Table:
    """Classes, the worst first, with what their pictures are taken for."""
    rows = [
        [
            one.name,
            str(one.pictures),
            "" if one.recall is None else f"{one.recall:.0%}",
            ("" if one.by_name is None else f"{one.by_name:.0%}") + " ?" * is_unknown(one, len(found.classes)),
            one.taken_for or "",
        ]
        for one in worst_first(found)
    ]
    names = ["class", "pictures", "right", "by name alone", "else taken for"]
    if all(one.by_name is None for one in found.classes):
        names, rows = names[:3] + names[4:], [row[:3] + row[4:] for row in rows]
    return _table("Classes, the worst first", names, rows, numbers=len(names) - 2, first=1)


def _curve(curve: LearningCurve) -> Table:
    rows = [
        [str(one.most), f"{one.accuracy:.1%}", f"±{one.error:.1%}", "█" * round(_BAR * one.accuracy)]
        for one in curve.points
    ]
    title = f"Held-out accuracy by pictures a class (ridge regression on features, {counted(curve.tested, 'picture')})"
    return _table(title, ["pictures", "accuracy", "", ""], rows, numbers=3, first=0)


def _table(
    title: str, names: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int, first: int | None = None
) -> Table:
    """A table whose numbers stand right: so many columns from ``first`` on, the last ones if None."""
    more = len(rows) - ROWS
    caption = Text(f"and {more:,} more: --json and --out have them", style="dim") if more > 0 else None
    table = Table(title=Text(title, style="bold"), title_justify="left", caption=caption, caption_justify="left",
                  box=None, pad_edge=False, header_style="dim")  # fmt: skip
    begin = len(names) - numbers if first is None else first
    for place, name in enumerate(names):
        is_number = begin <= place < begin + numbers and bool(name)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for row in rows[:ROWS]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _advice(found: Diagnosis) -> Group:
    lines = [Text(f"- {printable(sentence)}") for sentence in advice(found)]
    return Group(Text("What to do", style="bold"), *lines, *(_line(note, "dim") for note in found.notes))


def _line(text: str, style: str) -> Text:
    return Text(printable(text), style=style)
