"""Tables as the console shows them, written as Markdown and as LaTeX.

Names come out as text: whatever means something to the format is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from promptlab.report.layout import LEARNER, Block, Line, ScoreTable
from promptlab.report.undone import UndoneSweep, undone_rows

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # behind a line's end it would begin an argument
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "–": "--",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
}


def markdown(table: ScoreTable) -> str:
    """The table in GitHub's Markdown: title, facts, evaluation sets as columns, notes."""
    names = _names(table)
    labels = len(names) - len(table.score_columns)
    lines = [f"**{in_markdown(table.title)}**", "", in_markdown(table.facts_line), "", _cells(map(in_markdown, names))]
    lines.append(_cells([":--"] * labels + ["--:"] * len(table.score_columns)))
    for heading, rows in _blocks(table):
        lines += [_cells([f"**{in_markdown(heading)}**", *[""] * (len(names) - 1)])] if heading else []
        lines += [_cells(map(in_markdown, row)) for row in rows]
    lines += ["", *(f"- {in_markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def markdown_undone(sweeps: Sequence[UndoneSweep]) -> str:
    """Runs of sweeps that have no Result, each with the command that repeats it."""
    names, rows = undone_rows(sweeps)
    lines = ["**Runs without a result**", "", *(f"- {in_markdown(sweep.sentence)}" for sweep in sweeps), ""]
    lines += [_cells(names), _cells([":--"] * len(names)), *(_cells(map(in_markdown, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def latex(table: ScoreTable, *, subscripts: bool = False) -> str:
    r"""The table as a ``tabular`` with booktabs' rules; title, facts and notes stand above it as comments.

    Of the lines that compare, in each block, number of shots and column, the best is bold and the second underlined, by
    the numbers as printed; marked learners are set apart and don't compete, nor does zero-shot CLIP where shots differ.
    Letters that a TeX's fonts lack are left as they are: XeLaTeX, LuaLaTeX and tectonic take them.

    Args:
        table: what to write.
        subscripts: intervals as subscripts of their means, ``80.00$_{\pm 1.20}$``.
    """
    names = _names(table)
    labels = len(names) - len(table.score_columns)
    lines = [f"% {_line(text)}" for text in (table.title, table.facts_line, *table.notes)]
    lines += [rf"\begin{{tabular}}{{{'l' * labels}{'r' * len(table.score_columns)}}}", r"\toprule", _row(names)]
    for block in table.blocks:
        lines.append(r"\midrule")
        lines += [rf"\multicolumn{{{len(names)}}}{{l}}{{{_escaped(block.heading)}}} \\"] if block.heading else []
        for line in block.with_baseline:
            texts = map(_escaped, table.labels_of(line))
            scores = (_score(line, name, _places(block, line, name), subscripts) for name in table.score_columns)
            lines.append(f"{' & '.join([*texts, *scores])} \\\\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _places(block: Block, line: Line, name: str) -> list[float]:
    """The best number of a column among the lines that compare with one, and the second if three compare."""
    shots = {other.labels.get("shots") for other in block.lines}
    rivals = [other for other in block.lines if other.labels.get("shots") == line.labels.get("shots")]
    compared = block.with_baseline if len(shots) == 1 else rivals
    found = [other.ranked[name] for other in compared if name in other.ranked]
    return sorted(set(found), reverse=True)[: 2 if len(found) > 2 else max(0, len(found) - 1)]


def _score(line: Line, name: str, places: Sequence[float], subscripts: bool) -> str:
    """A cell: mean, interval, and the line's place in the column."""
    mean, _, interval = line.scores.get(name, "").partition(" ±")
    place = places.index(line.ranked[name]) if line.ranked.get(name) in places else None
    text = _escaped(mean) if place is None else (r"\textbf{%s}", r"\underline{%s}")[place] % mean
    if not interval:
        return text
    return rf"{text}$_{{\pm {interval}}}$" if subscripts else rf"{text} $\pm${interval}"


def _names(table: ScoreTable) -> list[str]:
    return [LEARNER, *table.label_columns, *table.score_columns]


def _blocks(table: ScoreTable) -> Iterable[tuple[str, list[list[str]]]]:
    """Each block's heading and its rows of cells, the zero-shot baseline first."""
    for block in table.blocks:
        scores = [[line.scores.get(name, "") for name in table.score_columns] for line in block.with_baseline]
        labels = map(table.labels_of, block.with_baseline)
        yield block.heading, [[*texts, *numbers] for texts, numbers in zip(labels, scores, strict=True)]


def _cells(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def in_markdown(text: str) -> str:
    r"""A text from data on one line of Markdown: no markup, no HTML, no characters that control how it is shown.

    Example:
        >>> print(in_markdown("<b>cat</b>|*dog*"))
        \<b\>cat\</b\>\|\*dog\*
    """
    return _MARKDOWN.sub(r"\\\1", _line(text))


def _row(texts: Iterable[str]) -> str:
    return " & ".join(map(_escaped, texts)) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _line(text))


def _line(text: str) -> str:
    """A text on one line, without control characters, which TeX refuses."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
