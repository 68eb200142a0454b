"""All figures that a section has something for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from promptlab.report.collection import Collection
from promptlab.report.comparison import rankings
from promptlab.report.confusion import Confusion, confusions
from promptlab.report.figures.base_new import base_against_new
from promptlab.report.figures.classes import class_gains, confusion_matrices
from promptlab.report.figures.costs import accuracy_against_cost
from promptlab.report.figures.curves import learning_curves, seen_unseen_curves
from promptlab.report.figures.gains import gain_bars
from promptlab.report.figures.ranks import critical_difference_diagram
from promptlab.report.figures.reliability import reliability_diagrams
from promptlab.report.figures.shots import shot_curves
from promptlab.report.figures.style import Drawing, Look, leading, looks
from promptlab.report.study import Section, sections


def drawings(section: Section, confused: Sequence[Confusion], look: Mapping[str, Look]) -> list[Drawing]:
    """Every figure of a section, in the order of a paper: scores, what is behind them, what they cost.

    Args:
        section: what is compared.
        confused: the leading contestant's confusions.
        look: contestant to its look.
    """
    ranked = rankings(section)
    ranks = [critical_difference_diagram(section, *list(ranked.items())[-1])] if ranked else []
    found = [
        shot_curves(section, look),
        base_against_new(section, look),
        seen_unseen_curves(section, look),
        gain_bars(section, look),
        *ranks,
        accuracy_against_cost(section, look),
        class_gains(section, look),
        confusion_matrices(section, confused),
        reliability_diagrams(section, look),
        learning_curves(section, look),
    ]
    return [drawing for drawing in found if drawing is not None]


def of_collection(collection: Collection) -> list[Drawing]:
    """Every figure of some folders' results."""
    found = sections(collection.results)
    look = looks_of(found)
    return [drawing for section in found
            for drawing in drawings(section, leading_confusions(section, collection.folders), look)]  # fmt: skip


def looks_of(sections: Sequence[Section]) -> dict[str, Look]:
    """A look for every contestant, those that figures draw first: their colours differ."""
    drawn = [name for section in sections for name in leading(section.averages)]
    return looks([*drawn, *(name for section in sections for name in section.contestants)])


def leading_confusions(section: Section, folders: Mapping[str, Path]) -> list[Confusion]:
    """The leading contestant's confusions at the section's number of shots."""
    if section.leader is None:
        return []
    wanted = (section.leader, section.most_shots)
    rows = [row for name, row in zip(section.names, section.rows, strict=True) if (name, row.shots) == wanted]
    return [confusion for row in rows for confusion in confusions(row, folders)]
