"""Reliability diagrams: accuracy against confidence, pooled over seeds and places, with the calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.report.figures.style import INK, Drawing, Look, leading, left_out, panels, wrapped
from promptlab.report.study import ZERO_SHOT, Section, at_shots
from promptlab.results.schema import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Pooled:
    """Bins of several reliabilities together: confidence, accuracy and share of the images of each bin that has any."""

    edges: tuple[float, ...]
    bins: Mapping[int, tuple[float, float, float]]

    @property
    def ece(self) -> float:
        """Expected calibration error of all images together, in [0, 1]."""
        return sum(share * abs(accuracy - confidence) for confidence, accuracy, share in self.bins.values())


def pooled(parts: Sequence[Reliability]) -> Pooled | None:
    """Reliabilities with the same bins, every image counting once; None without images or if bins differ."""
    images = sum(sum(part.count) for part in parts)
    if not images or len({part.edges for part in parts}) != 1:
        return None
    sums: dict[int, list[float]] = {}
    for part in parts:
        for at, (count, confidence, accuracy) in enumerate(
            zip(part.count, part.mean_confidence, part.accuracy, strict=True)
        ):
            if confidence is not None and accuracy is not None:
                found = sums.setdefault(at, [0.0, 0.0, 0.0])
                for position, value in enumerate((count * confidence, count * accuracy, count)):
                    found[position] += value
    bins = {at: (c / n, a / n, n / images) for at, (c, a, n) in sorted(sums.items())}
    return Pooled(parts[0].edges, bins)


def reliability_diagrams(section: Section, looks: Mapping[str, Look]) -> Drawing | None:
    """A panel per contestant at one number of shots, and one of zero-shot CLIP."""
    shown = _pooled_by_contestant(section)
    names = leading({name: section.averages.get(name, 0.0) for name in shown if name != ZERO_SHOT}, 7)
    order = [name for name in (ZERO_SHOT, *names) if name in shown]
    if not order:
        return None

    def draw(width: float) -> Figure:
        figure, grid = panels(len(order), width, height=1.75, share_y=True)
        for axes, name in zip(grid, order, strict=True):
            found = shown[name]
            color = looks[name].color
            for at, (_, accuracy, share) in found.bins.items():
                low, high = found.edges[at], found.edges[at + 1]
                strength = 0.25 + 0.75 * min(1.0, share * 4)
                axes.bar(low, accuracy, high - low, align="edge", color=color, alpha=strength, linewidth=0)
            axes.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle="--")
            axes.set_title(f"{wrapped(name, 26)}\nECE {100 * found.ece:.1f} %")
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            axes.set_xlabel("confidence")
        grid[0].set_ylabel("accuracy")
        return figure

    return Drawing(
        name=f"{section.slug}-reliability",
        title="Reliability",
        caption=f"Accuracy of the test images by their confidence {at_shots(section.most_shots)}, all seeds and "
        "evaluation sets together; strong bars hold more images. On the dashed line confidence can be believed; above "
        f"it is too low, below it too high. ECE: expected calibration error.{left_out(section.contestants, names)}",
        draw=draw,
    )


def _pooled_by_contestant(section: Section) -> dict[str, Pooled]:
    parts: dict[str, list[Reliability]] = {}
    baseline: dict[str, Reliability] = {}
    rows = [pair for pair in zip(section.names, section.rows, strict=True) if pair[1].shots == section.most_shots]
    for name, row in rows if section.entries else ():
        for run in row.runs:
            for part in run.evaluations.values():
                if part.metrics is not None:
                    parts.setdefault(name, []).append(part.metrics.reliability)
                if part.zero_shot is not None:
                    baseline[part.facts.items_digest + part.facts.name] = part.zero_shot.reliability
    found = {ZERO_SHOT: pooled(list(baseline.values())), **{name: pooled(own) for name, own in parts.items()}}
    return {name: pool for name, pool in found.items() if pool is not None}
