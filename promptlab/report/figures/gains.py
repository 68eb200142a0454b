"""What learning gains over zero-shot CLIP, a bar per place and contestant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.report.figures.style import (
    INK,
    Drawing,
    Look,
    capital,
    leading,
    left_out,
    legend_above,
    new_figure,
    wrapped,
)
from promptlab.report.statistics import mean
from promptlab.report.study import ZERO_SHOT_LEARNER, Entry, Section, at_shots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 4
"""Contestants whose bars stand together."""


def gain_bars(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """Headline score less zero-shot CLIP's, at one number of shots; None where nothing has a baseline."""
    shots = section.most_shots if section.entries else "all"
    found = [entry for entry in section.entries if entry.shots == shots and entry.zero_shot is not None]
    found = [entry for entry in found if entry.row.learner != ZERO_SHOT_LEARNER]
    if not found:
        return None
    names = leading({entry.contestant: section.averages[entry.contestant] for entry in found}, MOST_BARS)
    gains: dict[str, dict[str, tuple[float, float]]] = {}
    for entry in found:
        if entry.contestant in names:
            gains.setdefault(entry.place, {})[entry.contestant] = _gain(entry)
    places = sorted(gains, key=lambda place: mean([gain for gain, _ in gains[place].values()]))

    def draw(width: float) -> Figure:
        thickness = 0.8 / len(names)
        figure = new_figure(width, max(1.5, len(places) * (0.12 + 0.09 * len(names)) + 0.7))
        axes = figure.subplots()
        for rank, name in enumerate(names):
            at = [place for place, known in enumerate(places) if name in gains[known]]
            values, errors = zip(*(gains[places[place]][name] for place in at), strict=True)
            heights = [place + 0.4 - thickness * (rank + 0.5) for place in at]
            style = {"elinewidth": 0.6, "ecolor": INK}
            axes.barh(heights, values, thickness, xerr=errors, color=looks[name].color, error_kw=style, label=name)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(places)), [wrapped(place, 28) for place in places])
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("points above zero-shot CLIP")
        legend_above(figure, [axes], width)
        return figure

    return Drawing(
        name=f"{section.slug}-gains",
        title="Gain over zero-shot CLIP",
        caption=f"{capital(section.headline)} less that of zero-shot CLIP, in points, {at_shots(shots)}; thin bars are "
        f"95 % Student-t intervals over seeds.{left_out([n for n in section.contestants if n != 'zero_shot'], names)}",
        draw=draw,
    )


def _gain(entry: Entry) -> tuple[float, float]:
    """Points above zero-shot CLIP, and the half width of their interval."""
    gain = round(100 * (entry.mean.mean - (entry.zero_shot or 0)), 6)  # no bars of rounding
    return gain, 100 * (entry.mean.half_width or 0)
