"""Accuracy against what it costs: seconds of training, and trained parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlab.report.cost import COSTS
from promptlab.report.figures.points import point
from promptlab.report.figures.style import FAINT, Drawing, Look, capital, leading, left_out, legend_above, panels
from promptlab.report.overall import paired_average
from promptlab.report.statistics import mean
from promptlab.report.study import ZERO_SHOT, Section, at_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = {"training s": "training seconds", "parameters": "trained parameters"}
"""Columns of costs to what their axes are called."""


def accuracy_against_cost(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """Headline scores, averaged over places, over costs, at one number of shots; None for a single contestant."""
    shots = section.most_shots if section.entries else "all"
    found = section.of(shots)
    places = {place for entries in found.values() for place in entries}
    whole = {name: list(entries.values()) for name, entries in found.items() if len(entries) == len(places)}
    names = leading({name: average for name, average in section.beside_zero_shot.items() if name in whole})
    if len(names) < 2:
        return None
    columns = [column for column in COSTS if column.name in SHOWN]
    scores = {name: paired_average([entry.scores for entry in whole[name]]) for name in names}
    costs = {name: [mean([column.of(entry.row) or 0 for entry in whole[name]]) for column in columns] for name in names}
    known = {entry.place: entry.zero_shot for entries in whole.values() for entry in entries}
    zero_shot = [score for score in known.values() if score is not None]

    def draw(width: float) -> Figure:
        figure, grid = panels(len(columns), width, height=2.1, share_y=True)
        for at, (axes, column) in enumerate(zip(grid, columns, strict=True)):
            if len(zero_shot) == len(known):
                axes.axhline(100 * mean(zero_shot), color=FAINT, linestyle=looks[ZERO_SHOT].linestyle, label=ZERO_SHOT)
            for name in names:
                score = scores[name]
                interval = 100 * (score.half_width or 0)
                point(axes, name, looks[name], (costs[name][at], 100 * score.mean), yerr=interval)
            _scale(axes, [costs[name][at] for name in names])
            axes.margins(x=0.1)
            axes.set_xlabel(SHOWN[column.name])
        grid[0].set_ylabel(f"{section.headline} (%)")
        legend_above(figure, grid[:1], width)
        return figure

    over = f", averaged over {len(places)} datasets" if len(places) > 1 else ""
    return Drawing(
        name=f"{section.slug}-cost",
        title="Accuracy against cost",
        caption=f"{capital(section.headline)} in percent {at_shots(shots)}{over}, over seconds of training and over "
        f"the number of parameters trained by gradient.{left_out(list(section.beside_zero_shot), names)}",
        draw=draw,
    )


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """A scale that grows by tens where the costs do; zero is what a closed form trains by gradient."""
    if min(values) * 10 > max(values):
        return
    axes.set_xscale("log" if min(values) > 0 else "symlog")
    if max(values) < min(30 * min(values), 1000):
        from matplotlib.ticker import LogLocator

        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # or a single number would stand there
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.set_minor_formatter("")
