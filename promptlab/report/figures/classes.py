"""Classes of the leading contestant: which gain and lose most over zero-shot CLIP, and which are taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlab.report.averages import SweepRow
from promptlab.report.confusion import Confusion
from promptlab.report.figures.style import INK, Drawing, Look, cut, new_figure, panels, wrapped
from promptlab.report.statistics import mean
from promptlab.report.study import Section, at_shots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_EVALUATIONS = 4
MOST_BARS = 8
"""Classes at either end."""
MOST_CLASSES = 40
"""A matrix of more can't be read."""

ClassGains = list[tuple[str, float]]
"""Names of classes and their gains in points, falling."""


def class_gains(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """The classes that gain and lose most, a panel per evaluation set of the leading contestant."""
    leader = section.leader
    if leader is None:
        return None
    shots = section.most_shots
    rows = [row for name, row in zip(section.names, section.rows, strict=True) if (name, row.shots) == (leader, shots)]
    found = {_title(row, name): gains for row in rows for name in row.scores if (gains := gains_by_class(row, name))}
    shown = list(found.items())[:MOST_EVALUATIONS]
    if not shown:
        return None

    def draw(width: float) -> Figure:
        columns = max(1, min(len(shown), round(width / 3.2)))
        tallest = max(min(len(gains), 2 * MOST_BARS) for _, gains in shown)
        rows = -(-len(shown) // columns)
        figure = new_figure(width, rows * (0.16 * tallest + 0.6))
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid[len(shown) :]:
            axes.remove()
        for axes, (title, gains) in zip(grid, shown, strict=False):
            ends = gains if len(gains) <= 2 * MOST_BARS else [*gains[:MOST_BARS], *gains[-MOST_BARS:]]
            heights = range(len(ends), 0, -1)
            axes.barh(heights, [gain for _, gain in ends], 0.75, color=looks[leader].color)
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set_yticks(heights, [cut(name) for name, _ in ends])
            axes.set_title(title)
            axes.grid(visible=False, axis="y")
        grid[len(shown) - 1].set_xlabel("points above zero-shot CLIP")
        return figure

    more = len(found) - len(shown)
    return Drawing(
        name=f"{section.slug}-classes",
        title="Gains per class",
        caption=f"Accuracy of {leader} per class less that of zero-shot CLIP, in points {at_shots(shots)}, averaged "
        f"over seeds; of many classes the {MOST_BARS} at either end."
        + (f" {more} more evaluation sets." if more else ""),
        draw=draw,
    )


def gains_by_class(row: SweepRow, evaluation: str) -> ClassGains:
    """Names of classes with test images, and what they gain over zero-shot CLIP in points, the largest first."""
    gains: dict[int, list[float]] = {}
    names: Sequence[str] = ()
    for run in row.runs:
        part = run.evaluations.get(evaluation)
        if part is None or part.metrics is None or part.zero_shot is None:
            continue
        names = part.facts.class_names
        scores = zip(part.metrics.per_class_accuracy, part.zero_shot.per_class_accuracy, strict=True)
        for label, (learned, baseline) in enumerate(scores):
            if learned is not None and baseline is not None:
                gains.setdefault(label, []).append(100 * (learned - baseline))
    return sorted(((names[label], mean(found)) for label, found in gains.items()), key=lambda pair: -pair[1])


def confusion_matrices(section: Section, found: Sequence[Confusion]) -> Drawing | None:
    """Matrices of the leading contestant; None where classes are too many to read, or without predictions."""
    shown = [confusion for confusion in found if len(confusion.class_names) <= MOST_CLASSES][:MOST_EVALUATIONS]
    if not shown:
        return None

    def draw(width: float) -> Figure:
        figure, grid = panels(len(shown), width, height=2.9, least=3.2)
        for axes, confusion in zip(grid, shown, strict=True):
            totals = confusion.counts.sum(axis=1, keepdims=True).clip(min=1)
            image = axes.imshow(confusion.counts / totals, cmap="Blues", vmin=0, vmax=1, interpolation="none")
            names = [cut(name, 18) for name in confusion.class_names]
            size = 6 if len(names) <= 20 else 4
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
            axes.set_yticks(range(len(names)), names, fontsize=size)
            axes.grid(visible=False)
            axes.set_title(f"{confusion.dataset}, {confusion.evaluation}")
            axes.set_xlabel("predicted")
        grid[0].set_ylabel("label")
        label = "share of the label's images"
        figure.colorbar(image, ax=grid, location="bottom", shrink=0.6, aspect=40, label=label)
        return figure

    return Drawing(
        name=f"{section.slug}-confusion",
        title="Confusion",
        caption=f"What {section.leader} predicts for the test images of each class {at_shots(section.most_shots)}, all "
        "seeds together.",
        draw=draw,
    )


def _title(row: SweepRow, evaluation: str) -> str:
    return wrapped(evaluation if evaluation in row.targets else f"{row.dataset}, {evaluation}", 40)
