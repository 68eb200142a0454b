"""Curves of single runs: the seen-unseen trade-off, and losses over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlab.report.figures.style import (
    MOST_PANELS,
    Drawing,
    Look,
    leading,
    left_out,
    legend_above,
    panels,
    wrapped,
)
from promptlab.report.study import Section, at_shots
from promptlab.results.document import Result
from promptlab.results.schema import SeenUnseenCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 33
"""Runs whose losses are drawn in one panel."""
MOST_EPOCHS = 60
"""Of a run's losses; of more, as many are drawn at equal distances."""


def seen_unseen_curves(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """Seen over unseen accuracy as a bias between them moves, a panel per dataset; None without curves."""
    found: dict[str, list[tuple[str, SeenUnseenCurve]]] = {}
    for name, row in zip(section.names, section.rows, strict=True):
        for run in row.runs:
            if run.seen_unseen is not None:
                found.setdefault(row.dataset, []).append((name, run.seen_unseen))
    if not found:
        return None
    places = list(found)[:MOST_PANELS]

    def draw(width: float) -> Figure:
        figure, grid = panels(len(places), width, height=2.0)
        for axes, place in zip(grid, places, strict=True):
            axes.set_title(place)
            for name, curve in found[place]:
                unseen, seen = ([100 * score for score in scores] for scores in (curve.unseen, curve.seen))
                axes.plot(unseen, seen, color=looks[name].color, linewidth=0.8, label=name)
                if curve.calibration is not None:
                    chosen = curve.calibration
                    axes.plot(100 * chosen.unseen, 100 * chosen.seen, looks[name].marker, color=looks[name].color)
            axes.set_xlabel("unseen classes (%)")
            axes.set_ylabel("seen classes (%)")
        legend_above(figure, grid, width)
        return figure

    return Drawing(
        name=f"{section.slug}-tradeoff",
        title="Trade-off between seen and unseen classes",
        caption="Mean per-class accuracy of seen over unseen classes as a bias between them moves, a line per seed; "
        "marks stand where the bias was chosen on held-out seen classes.",
        draw=draw,
    )


def learning_curves(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """Training loss over epochs, a panel per contestant, a line per run; None where nothing trained by gradient."""
    found: dict[str, list[Result]] = {}
    for name, row in zip(section.names, section.rows, strict=True):
        runs = [run for run in row.runs if sum(record.loss is not None for record in run.learning_curve) > 1]
        found.setdefault(name, []).extend(runs if row.shots == section.most_shots else [])
    trained = {name: runs[:MOST_LINES] for name, runs in found.items() if runs}
    names = leading({name: section.averages.get(name, 0.0) for name in trained})
    more = any(len(found[name]) > MOST_LINES for name in names)
    if not names:
        return None

    def draw(width: float) -> Figure:
        from matplotlib.ticker import MaxNLocator

        figure, grid = panels(len(names), width, height=1.5)
        for axes, name in zip(grid, names, strict=True):
            axes.set_title(wrapped(name, 26))
            for run in trained[name]:
                epochs, losses = _losses(run)
                axes.plot(epochs, losses, color=looks[name].color, linewidth=0.7, alpha=0.6)
            for boundary in _boundaries(trained[name][0]):
                axes.axvline(boundary, linewidth=0.6, linestyle=":", color=looks[name].color)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.set_xlabel("epoch")
        grid[0].set_ylabel("training loss")
        return figure

    return Drawing(
        name=f"{section.slug}-learning",
        title="Learning curves",
        caption=f"Training loss over epochs {at_shots(section.most_shots)}, a line per run (dataset and seed); dotted "
        f"lines part stages. Losses of different learners don't compare.{left_out(list(trained), names)}"
        + (f" Of more than {MOST_LINES} runs the first are drawn." if more else ""),
        draw=draw,
    )


def _losses(run: Result) -> tuple[Sequence[float], Sequence[float]]:
    """Epochs counted through all stages from 1, and their losses, where they were finite; of many, some."""
    pairs = [(at, record.loss) for at, record in enumerate(run.learning_curve, 1) if record.loss is not None]
    if len(pairs) > MOST_EPOCHS:
        step = (len(pairs) - 1) / (MOST_EPOCHS - 1)
        pairs = [pairs[round(step * at)] for at in range(MOST_EPOCHS)]
    return [float(at) for at, _ in pairs], [loss for _, loss in pairs]


def _boundaries(run: Result) -> list[float]:
    """Between which epochs a stage ends and the next begins."""
    stages = [record.stage for record in run.learning_curve]
    return [at + 0.5 for at in range(1, len(stages)) if stages[at] != stages[at - 1]]
