"""Accuracy over shots: a panel per place and one of the average, lines with bands of the interval over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlab.report.figures.style import (
    FAINT,
    MOST_PANELS,
    Drawing,
    Look,
    capital,
    leading,
    left_out,
    legend_above,
    panels,
    wrapped,
)
from promptlab.report.overall import paired_average
from promptlab.report.statistics import MeanInterval, mean
from promptlab.report.study import ZERO_SHOT, Entry, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = dict[int, MeanInterval]
"""Shots to score."""


def shot_curves(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """The section's headline scores over shots; None with fewer than two numbers of shots, or no learner."""
    numbers = [shots for shots in section.shots if isinstance(shots, int)]
    names = leading(section.beside_zero_shot)
    if len(numbers) < 2 or not names:
        return None
    places = section.places[:MOST_PANELS]
    average = len(section.places) > 1

    def draw(width: float) -> Figure:
        figure, grid = panels(len(places) + average, width)
        if average:
            _panel(grid[0], "average", _average_curves(section, names, numbers), _zero_shot(section.entries), looks)
        for axes, place in zip(grid[average:], places, strict=True):
            here = [entry for entry in section.entries if entry.place == place]
            _panel(axes, place, _curves(here, names), _zero_shot(here), looks)
        for axes in grid:
            axes.set_xscale("log", base=2)
            axes.set_xticks(numbers, [str(shots) for shots in numbers])
            axes.minorticks_off()
        figure.supxlabel("training images per class", fontsize=8)
        figure.supylabel(f"{section.headline} (%)", fontsize=8)
        legend_above(figure, grid[-1:], width)
        return figure

    omitted = left_out(list(section.beside_zero_shot), names)
    more = len(section.places) - len(places)
    shown = f" {more} more places are in the average alone." if more else ""
    return Drawing(
        name=f"{section.slug}-shots",
        title="Accuracy over shots",
        caption=f"{capital(section.headline)} in percent over training images per class; bands are 95 % Student-t "
        f"intervals over seeds, the dashed line is zero-shot CLIP.{omitted}{shown}",
        draw=draw,
    )


def _curves(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, Curve]:
    """Each contestant's curve at one place."""
    curves: dict[str, Curve] = {name: {} for name in names}
    for entry in entries:
        if entry.contestant in curves and isinstance(entry.shots, int):
            curves[entry.contestant][entry.shots] = entry.mean
    return curves


def _average_curves(section: Section, names: Sequence[str], numbers: Sequence[int]) -> dict[str, Curve]:
    """Each contestant's average over places, at the shots where it has all of them."""
    curves: dict[str, Curve] = {name: {} for name in names}
    for shots in numbers:
        for name, found in section.of(shots).items():
            if name in curves and len(found) == len(section.places):
                curves[name][shots] = paired_average([entry.scores for entry in found.values()])
    return curves


def _zero_shot(entries: Sequence[Entry]) -> float | None:
    """Zero-shot CLIP's mean over the entries' places; None where one has none."""
    scores = {entry.place: entry.zero_shot for entry in entries}
    found = [score for score in scores.values() if score is not None]
    return mean(found) if found and len(found) == len(scores) else None


def _panel(
    axes: Axes, title: str, curves: Mapping[str, Curve], zero_shot: float | None, looks: Mapping[str, Look]
) -> None:
    axes.set_title(wrapped(title, 24), fontweight="bold" if title == "average" else None)
    if zero_shot is not None:
        axes.axhline(100 * zero_shot, color=FAINT, linestyle=looks[ZERO_SHOT].linestyle, label=ZERO_SHOT)
    for name, curve in curves.items():
        shots = sorted(curve)
        look = looks[name]
        means = [100 * curve[number].mean for number in shots]
        widths = [100 * (curve[number].half_width or 0) for number in shots]
        axes.plot(shots, means, color=look.color, marker=look.marker, linestyle=look.linestyle, label=name)
        low = [max(0.0, m - w) for m, w in zip(means, widths, strict=True)]
        high = [min(100.0, m + w) for m, w in zip(means, widths, strict=True)]
        axes.fill_between(shots, low, high, color=look.color, alpha=0.13, linewidth=0)
