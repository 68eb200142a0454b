"""Many figures drawn at once, on several cores where that pays: matplotlib takes half a second for a large one."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing import get_context

from promptlab.report.figures.style import Drawing
from promptlab.support.machine import usable_cpus

MANY = 12
"""Fewer are drawn one after the other."""
MOST_PROCESSES = 8
_drawings: Sequence[Drawing] = ()
"""What processes draw that are copies of this one: a drawing holds functions, which can't be sent to others."""


def svgs(drawings: Sequence[Drawing], width: float) -> list[str]:
    """Each figure as SVG text, in their order.

    Args:
        drawings: any number.
        width: in inches.

    Example:
        >>> svgs([], 3.25)
        []
    """
    processes = min(usable_cpus(), MOST_PROCESSES)
    if len(drawings) < MANY or processes < 2 or not _can_be_copied():
        return [drawing.svg(width) for drawing in drawings]
    return svgs_of_copies(drawings, width, processes)


def svgs_of_copies(drawings: Sequence[Drawing], width: float, processes: int) -> list[str]:
    """As :func:`svgs`, by copies of this process; only on Linux.

    Args:
        drawings: any number.
        width: in inches.
        processes: how many copies, at least 1.
    """
    global _drawings
    _drawings = drawings
    with get_context("fork").Pool(processes, _leave_signals) as pool:
        return pool.starmap(_svg, [(position, width) for position in range(len(drawings))], chunksize=1)


def _leave_signals() -> None:
    """A copy ends as the pool asks it to: what this process does on signals is not for it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _svg(position: int, width: float) -> str:
    return _drawings[position].svg(width)


def _can_be_copied() -> bool:
    """Whether a copy of this process is sure to run: on Linux, and with no other thread that may hold a lock."""
    return sys.platform == "linux" and threading.active_count() == 1 and "torch" not in sys.modules
