"""The page itself: what was found in words, figures, tables, runs, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from promptlab.report.collection import Collection
from promptlab.report.comparison import comparisons
from promptlab.report.figures.every import drawings, leading_confusions, looks_of
from promptlab.report.figures.style import Drawing, Look
from promptlab.report.page.gaps import gaps
from promptlab.report.page.inline import inline_svg
from promptlab.report.page.runs import runs_table, settings
from promptlab.report.page.tables import PageTable, section_tables, undone
from promptlab.report.page.template import filled
from promptlab.report.page.words import findings
from promptlab.report.study import Section, sections
from promptlab.support.processes import in_processes
from promptlab.support.words import counted

FIGURE_INCHES = 4.5
"""Wide enough for three panels, narrow enough for text to stay legible on a phone."""


@dataclass(frozen=True)
class _Part:
    """What the template reads of a section."""

    section: Section
    findings: Sequence[str]
    drawings: Sequence[Drawing]
    tables: Sequence[PageTable]


def html(collection: Collection) -> str:
    """The page as text; equal results give equal text.

    Args:
        collection: what was found in the folders; at least one result.

    Raises:
        UsageError: without jinja2 or matplotlib, naming the extra that has them.
    """
    found = sections(collection.results)
    shared, own = settings(found)
    look = looks_of(found)
    parts = [_part(section, collection, look) for section in found]
    drawn = [drawing for part in parts for drawing in part.drawings]
    figures = dict(zip((drawing.name for drawing in drawn), in_processes(_inline, drawn), strict=True))
    return filled(
        __package__,
        "template.html.j2",
        parts=parts,
        runs=runs_table(found, collection.folders),
        shared=shared,
        settings=own,
        gaps=gaps(collection, found),
        undone=undone(collection.sweeps),
        counts=_counts(collection),
        figures=figures,
        script=files(__package__).joinpath("script.js").read_text(encoding="utf-8"),
    )


def _part(section: Section, collection: Collection, look: Mapping[str, Look]) -> _Part:
    confused = leading_confusions(section, collection.folders)
    tested = comparisons(section)
    return _Part(
        section=section,
        findings=findings(section, tested),
        drawings=drawings(section, confused, look),
        tables=section_tables(section, tested, confused),
    )


def _inline(drawing: Drawing) -> str:
    return inline_svg(drawing.svg(FIGURE_INCHES), escape(drawing.caption))


def _counts(collection: Collection) -> str:
    """What the page is of, in a line."""
    results = collection.results
    kinds = {
        "run": len(results),
        "dataset": len({run.dataset for run in results}),
        "learner": len({run.learner for run in results}),
        "backbone": len({run.backbone for run in results}),
        "protocol": len({run.protocol for run in results}),
    }
    days = sorted(run.created[:10] for run in results)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return f"{', '.join(counted(number, kind) for kind, number in kinds.items())}; {when}"
