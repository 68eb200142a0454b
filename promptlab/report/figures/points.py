"""A contestant as one point with its intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.report.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def point(
    axes: Axes, name: str, look: Look, at: tuple[float, float], *, xerr: float | None = None, yerr: float | None = None
) -> None:
    """Draw it.

    Args:
        axes: where.
        name: of the contestant.
        look: its.
        at: across and up, in the units of the axes.
        xerr: half width of the interval across; none if None.
        yerr: the same up.
    """
    axes.errorbar(
        *at,
        xerr=xerr,
        yerr=yerr,
        color=look.color,
        marker=look.marker,
        markersize=6,
        linewidth=0.8,
        linestyle="none",
        label=name,
    )
