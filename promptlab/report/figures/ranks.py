"""The critical-difference diagram: contestants by average rank, those that can't be told apart joined by a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.report.figures.style import INK, Drawing, new_figure
from promptlab.report.significance import ALPHA, Ranking
from promptlab.report.study import Section, at_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def critical_difference_diagram(section: Section, shots: int | str, ranking: Ranking) -> Drawing:
    """Demšar's diagram of a ranking."""
    names = list(ranking.ranks)
    left = (len(names) + 1) // 2

    def draw(width: float) -> Figure:
        bars = len(ranking.alike)
        below = 0.5 + 0.35 * bars
        depth = below + left
        figure = new_figure(width, 0.55 + 0.2 * depth)
        axes = figure.subplots()
        room = 0.9 * len(names) / width + 0.4  # ranks that names take on either side
        axes.set_xlim(len(names) + room, 1 - room)  # the best at the right
        axes.set_ylim(-depth - 0.2, 1.9)
        axes.axis("off")
        _scale(axes, len(names), ranking.critical_difference)
        for at, (name, rank) in enumerate(ranking.ranks.items()):
            right = at < left
            y = -below - (at if right else len(names) - 1 - at)
            edge = 1 - 0.15 * room if right else len(names) + 0.15 * room
            axes.plot([rank, rank, edge], [0, y, y], color=INK, linewidth=0.7)
            text = f"{rank:.2f}  {name}" if right else f"{name}  {rank:.2f}"
            axes.text(edge, y, f" {text} ", ha="left" if right else "right", va="center", fontsize=7)
        for level, group in enumerate(ranking.alike):
            ends = ranking.ranks[group[0]] - 0.04, ranking.ranks[group[-1]] + 0.04
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


def _scale(axes: Axes, worst: int, critical: float) -> None:
    """The axis of ranks, and the critical difference above it."""
    axes.plot([worst, 1], [0, 0], color=INK, linewidth=0.9)
    for rank in range(1, worst + 1):
        axes.plot([rank, rank], [0, 0.2], color=INK, linewidth=0.7)
        axes.text(rank, 0.3, str(rank), ha="center", va="bottom", fontsize=7)
    shown = min(critical, worst - 1)
    axes.plot([worst, worst - shown], [1.25, 1.25], color=INK, linewidth=1.2)
    more = "" if shown == critical else ", wider than the scale"
    axes.text(worst - shown / 2, 1.35, f"CD = {critical:.2f}{more}", ha="center", va="bottom", fontsize=7)
