"""The critical-difference diagram: contestants by average rank, those that can't be told apart joined by a bar."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from promptlab.report.figures.style import CHARACTER, INK, Drawing, cut, new_figure
from promptlab.report.ranking import Ranking
from promptlab.report.significance import ALPHA
from promptlab.report.study import Section, at_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def critical_difference_diagram(section: Section, shots: int | str, ranking: Ranking) -> Drawing:
    """Demšar's diagram of a ranking."""
    names = list(ranking.ranks)
    left = (len(names) + 1) // 2

    def draw(width: float) -> Figure:
        below = 0.5 + 0.35 * len(ranking.alike)  # where the first name stands, in lines of text
        figure = new_figure(width, 0.55 + 0.2 * (below + left))
        axes = figure.subplots()
        texts = {name: cut(name, int(0.36 * width / CHARACTER) - 6) for name in names}
        room = [max(len(texts[name]) + 7 for name in side) * CHARACTER for side in (names[:left], names[left:])]
        unit = (len(names) - 1) / (width - sum(room))  # ranks per inch
        axes.set_xlim(len(names) + room[1] * unit, 1 - room[0] * unit)  # the best at the right
        axes.set_ylim(-below - left - 0.2, 1.9)
        axes.axis("off")
        _scale(axes, len(names), ranking.critical_difference, math.ceil(0.2 * unit))
        for at, (name, rank) in enumerate(ranking.ranks.items()):
            right = at < left
            y = -below - (at if right else len(names) - 1 - at)
            edge = 1 - 0.1 * unit if right else len(names) + 0.1 * unit
            axes.plot([rank, rank, edge], [0, y, y], color=INK, linewidth=0.7)
            text = f" {rank:.2f}  {texts[name]}" if right else f"{texts[name]}  {rank:.2f} "
            axes.text(edge, y, text, ha="left" if right else "right", va="center", fontsize=7)
        for level, group in enumerate(ranking.alike):
            ends = ranking.ranks[group[0]] - 0.04 * unit, ranking.ranks[group[-1]] + 0.04 * unit
            axes.plot(ends, [-0.35 - 0.35 * level] * 2, color=INK, linewidth=2.5, solid_capstyle="butt")
        return figure

    return Drawing(
        name=f"{section.slug}-ranks",
        title="Average ranks and critical difference",
        caption=f"Average ranks by {section.headline} over {ranking.datasets} datasets {at_shots(shots)}, the best at "
        f"the right. Nemenyi's test at {ALPHA} tells two apart if they differ by more than CD = "
        f"{ranking.critical_difference:.2f}; bars join those that it doesn't."
        f"{_friedman(ranking)}",
        draw=draw,
    )


def _friedman(ranking: Ranking) -> str:
    return "" if ranking.friedman_p is None else f" Friedman's test that all are alike: p = {ranking.friedman_p:.2g}."


def _scale(axes: Axes, worst: int, critical: float, step: int) -> None:
    """The axis of ranks, numbered in steps, and the critical difference above it."""
    axes.plot([worst, 1], [0, 0], color=INK, linewidth=0.9)
    for rank in range(1, worst + 1, step):
        axes.plot([rank, rank], [0, 0.2], color=INK, linewidth=0.7)
        axes.text(rank, 0.3, str(rank), ha="center", va="bottom", fontsize=7)
    shown = min(critical, worst - 1)
    axes.plot([worst, worst - shown], [1.25, 1.25], color=INK, linewidth=1.2)
    more = "" if shown == critical else ", wider than the scale"
    axes.text(worst - shown / 2, 1.35, f"CD = {critical:.2f}{more}", ha="center", va="bottom", fontsize=7)
