"""Base against new accuracy, with lines of equal H: a point a contestant, averaged over places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.report.figures.points import point
from promptlab.report.figures.style import FAINT, INK, Drawing, Look, leading, left_out, legend_above, new_figure
from promptlab.report.overall import paired_average
from promptlab.report.statistics import MeanInterval, mean
from promptlab.report.study import ZERO_SHOT, Entry, Section, at_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[MeanInterval, MeanInterval]


def base_against_new(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """The two scores that H is made of against each other, at one number of shots; None without H."""
    of = next((row.harmonic_of for row in section.rows if row.harmonic_of), None)
    if of is None or not section.entries:
        return None
    shots, found = section.most_shots, section.of(section.most_shots)
    places = {place for entries in found.values() for place in entries}
    whole = {name: entries for name, entries in found.items() if len(entries) == len(places)}
    names = leading({name: average for name, average in section.beside_zero_shot.items() if name in whole})
    points = {name: _point(list(whole[name].values()), of) for name in names}
    baseline = _baseline([entry for entries in whole.values() for entry in entries.values()], of)

    def draw(width: float) -> Figure:
        side = min(width, 4.0)
        figure = new_figure(width, side)
        axes = figure.subplots()
        if baseline is not None:
            axes.plot(100 * baseline[0], 100 * baseline[1], "X", color=FAINT, markersize=6, label=ZERO_SHOT)
        for name, (first, second) in points.items():
            widths = {"xerr": 100 * (first.half_width or 0), "yerr": 100 * (second.half_width or 0)}
            point(axes, name, looks[name], (100 * first.mean, 100 * second.mean), **widths)
        axes.margins(0.15)
        _contours(axes)
        axes.set_xlabel(f"{of[0]} (%)")
        axes.set_ylabel(f"{of[1]} (%)")
        legend_above(figure, [axes], width)
        return figure

    over = f", averaged over {len(places)} datasets" if len(places) > 1 else ""
    return Drawing(
        name=f"{section.slug}-{of[0]}-{of[1]}",
        title=f"{of[0].capitalize()} against {of[1]}",
        caption=f"Accuracy on {of[0]} and {of[1]} classes {at_shots(shots)}{over}; bars are 95 % Student-t intervals "
        f"over seeds, the curves join points of equal H.{left_out(list(section.beside_zero_shot), names)}",
        draw=draw,
    )


def _point(entries: list[Entry], of: tuple[str, str]) -> Point:
    first, second = (paired_average([entry.row.seed_scores(name) for entry in entries]) for name in of)
    return first, second


def _baseline(entries: list[Entry], of: tuple[str, str]) -> tuple[float, float] | None:
    """Zero-shot CLIP's two means over places."""
    rows = {entry.place: entry.row for entry in entries}.values()
    found = [[score for row in rows if (score := row.zero_shot.get(name)) is not None] for name in of]
    return (mean(found[0]), mean(found[1])) if rows and all(len(scores) == len(rows) for scores in found) else None


def _contours(axes: Axes) -> None:
    """Lines of equal H over what the axes show, and the diagonal's side of them."""
    import numpy as np

    limits = axes.get_xlim(), axes.get_ylim()
    first, second = np.meshgrid(*(np.linspace(max(low, 0.1), high, 120) for low, high in limits))
    lines = axes.contour(
        first, second, 2 * first * second / (first + second), levels=7, colors=INK, linewidths=0.5, alpha=0.45
    )
    axes.clabel(lines, fmt="H %g", fontsize=6)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.grid(visible=False)
