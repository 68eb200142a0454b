"""The page's tables, as names of columns and cells with what they sort by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from promptlab.report.average_table import HARMONIC_NOTE, PAIRED_NOTE
from promptlab.report.column import MISSING, percent, score_text, shown
from promptlab.report.columns import PLACES, score_columns
from promptlab.report.comparison import Comparison
from promptlab.report.confusion import Confusion, Pair
from promptlab.report.cost import COSTS, cost_notes
from promptlab.report.overall import overall
from promptlab.report.pictures import thumbnail
from promptlab.report.published.beside import beside
from promptlab.report.statistics import MeanInterval
from promptlab.report.study import Section, at_shots
from promptlab.report.undone import UndoneSweep, undone_rows

LONG_TEXT = 60
"""More characters than this break into lines."""
MOST_PICTURES = 3
"""Of a confused pair."""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, the number that it sorts by, None for its text, and pictures with what they show in words."""

    text: str
    number: float | None = None
    pictures: Sequence[tuple[str, str]] = ()

    @property
    def long(self) -> bool:
        """Whether it may break into lines."""
        return len(self.text) > LONG_TEXT


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of the page.

    Args:
        name: its id in the page.
        caption: its heading.
        columns: name of each column, and whether it holds numbers.
        rows: a cell per column.
        notes: lines under it.
    """

    name: str
    caption: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def section_tables(section: Section, tested: Iterable[Comparison], confused: Iterable[Confusion]) -> list[PageTable]:
    """Every table of a section that has rows."""
    found = [
        scores(section),
        averages(section),
        tests(section, tested),
        published(section),
        pairs(section, confused),
    ]
    return [table for table in found if table.rows]


def undone(sweeps: Sequence[UndoneSweep]) -> PageTable:
    """Runs of sweeps that have no Result, a row each with the command that repeats it."""
    names, rows = undone_rows(sweeps)
    return PageTable(
        name="undone",
        caption="Runs without a result",
        columns=[(name, False) for name in names],
        rows=[[Cell(text) for text in row] for row in rows],
    )


def scores(section: Section) -> PageTable:
    """Runs averaged over seeds, a row each, with zero-shot CLIP's headline and what they cost."""
    rows = section.rows
    places, columns, costs = shown(PLACES[:1], rows), score_columns(rows), shown(COSTS, rows)
    names = [
        *((place.name, False) for place in places),
        ("learner", False),
        *((name, True) for name in ("shots", "seeds")),
        *((column.name, True) for column in columns),
        *((f"zero-shot {column.name}", True) for column in columns if column.zero_shot is not None),
        *((cost.name, True) for cost in costs),
    ]
    lines = []
    for name, row in zip(section.names, rows, strict=True):
        line = [*(Cell(place.cell(row)) for place in places), Cell(name), _shots(row.shots)]
        line.append(Cell(str(len(row.seeds)), len(row.seeds)))
        line += [Cell(column.cell(row), column.number(row) if column.has(row) else None) for column in columns]
        for column in columns:
            if column.zero_shot is not None:
                score = column.zero_shot(row) if column.has(row) else None
                line.append(Cell(percent(score) if column.has(row) else "", score))
        line += [Cell(cost.cell(row), cost.of(row)) for cost in costs]
        lines.append(line)
    notes = [column.note(rows) for column in columns if column.note is not None]
    notes += [f"{name}: {setting}" for name, setting in section.legend.items()]
    notes += ["in percent; ±: 95 % Student-t interval over seeds", *cost_notes(rows)]
    return PageTable(name=f"{section.slug}-scores", caption="Scores and costs", columns=names, rows=lines, notes=notes)


def averages(section: Section) -> PageTable:
    """Averages over datasets."""
    found = overall(section)
    names = list(dict.fromkeys(name for row in found for name in row.scores))
    lines = []
    for row in found:
        cells = [_score(row.scores.get(name)) for name in names]
        lines.append([Cell(row.contestant), _shots(row.shots), Cell(str(row.places), row.places), *cells])
    missing = [f"{row.contestant} {at_shots(row.shots)}: {row.missing}" for row in found if row.missing]
    notes = [PAIRED_NOTE, *([HARMONIC_NOTE] if "mean of H" in names else [])]
    columns = [("learner", False), ("shots", True), ("datasets", True), *((name, True) for name in names)]
    return PageTable(
        name=f"{section.slug}-averages",
        caption="Averages over datasets",
        columns=columns,
        rows=lines,
        notes=[*notes, *missing],
    )


def tests(section: Section, tested: Iterable[Comparison]) -> PageTable:
    """Learners against each other."""
    names = ("higher", "lower", "shots", "paired over", "pairs", "points", "t-test p", "Wilcoxon p", "note")
    numeric = {"shots", "pairs", "points", "t-test p", "Wilcoxon p"}
    lines = []
    for found in tested:
        difference = found.test.difference
        lines.append(
            [
                Cell(found.first),
                Cell(found.second),
                _shots(found.shots),
                Cell(found.over),
                Cell(str(found.pairs), found.pairs),
                Cell(score_text(difference), difference.mean),
                _p(found.t_holm),
                _p(found.wilcoxon_holm),
                Cell(found.test.reason),
            ]
        )
    return PageTable(
        name=f"{section.slug}-tests",
        caption="Paired tests",
        columns=[(name, name in numeric) for name in names],
        rows=lines,
        notes=[
            f"of {section.headline}; p after Holm's correction over the comparisons of the same shots and pairing",
            "paired over seeds: would other seeds say the same on these datasets? over datasets: would other datasets?",
        ],
    )


def published(section: Section) -> PageTable:
    """Published numbers beside these."""
    names = ("learner", "published", "dataset", "evaluation", "shots", "here", "there", "difference", "beyond interval")
    numeric = {"shots", "here", "there", "difference"}
    lines = []
    for one in beside(section):
        beyond = {None: "no interval", True: "yes", False: "no"}[one.beyond]
        lines.append(
            [
                Cell(one.contestant),
                Cell(one.method),
                Cell(one.dataset),
                Cell(one.evaluation),
                _shots(one.shots),
                Cell(score_text(one.ours), one.ours.mean),
                Cell(f"{one.theirs:.2f}", one.theirs),
                Cell(f"{one.difference:+.2f}", one.difference),
                Cell(beyond),
                Cell("; ".join(one.departures)),
                Cell(one.source),
            ]
        )
    columns = [*((name, name in numeric) for name in names), ("done otherwise", False), ("source", False)]
    return PageTable(name=f"{section.slug}-published", caption="Beside published numbers", columns=columns, rows=lines)


def pairs(section: Section, confused: Iterable[Confusion]) -> PageTable:
    """The leading learner's most confused pairs, with pictures where there are any."""
    lines = [[*_pair(one, pair), _pictures(pair)] for one in confused for pair in one.pairs()]
    names = ["dataset", "evaluation", "label", "taken for", "images", "% of the label's images", "pictures"]
    notes = ["all seeds together; pictures: images that were taken wrongly, those with the most confidence first"]
    if not any(line[-1].pictures for line in lines):
        names, lines = names[:-1], [line[:-1] for line in lines]
        notes = ["all seeds together; no pictures: their files are not where the runs' configuration says, or are none"]
    return PageTable(
        name=f"{section.slug}-pairs",
        caption=f"Most confused pairs of {section.leader} {at_shots(section.most_shots)}" if lines else "",
        columns=[(name, name in names[4:6]) for name in names],
        rows=lines,
        notes=notes,
    )


def _pair(confusion: Confusion, pair: Pair) -> list[Cell]:
    names = [confusion.dataset, confusion.evaluation, pair.label, pair.said]
    return [*map(Cell, names), Cell(str(pair.images), pair.images), Cell(percent(pair.share), pair.share)]


def _pictures(pair: Pair) -> Cell:
    found = ((thumbnail(mistake), mistake) for mistake in pair.mistakes)
    shown = ((uri, f"{pair.label}, taken for {pair.said}: {mistake.file}") for uri, mistake in found if uri)
    return Cell("", pictures=list(islice(shown, MOST_PICTURES)))


def _score(score: MeanInterval | None) -> Cell:
    return Cell(MISSING) if score is None else Cell(score_text(score), score.mean)


def _shots(shots: int | str) -> Cell:
    """Words sort behind numbers."""
    return Cell(str(shots), float(shots) if isinstance(shots, int) else float("inf"))


def _p(p: float | None) -> Cell:
    return Cell(MISSING if p is None else f"{p:.3g}", p)
