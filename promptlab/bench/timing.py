"""Interleaved timing: in every round each side runs, so that what else the machine does falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch

Step = Callable[[], object]


def interleave(
    steps: Mapping[str, Step],
    rounds: int,
    *,
    repeats: Mapping[str, int] | None = None,
    device: torch.device | str = "cpu",
    warm: bool = False,
) -> dict[str, list[float]]:
    """Seconds of each call.

    Args:
        steps: by name; each is called once untimed first, unless all are warm.
        rounds: how often all are run in turn.
        repeats: calls of a step within one round; 1 where not given.
        device: waited for before and after each call.
        warm: whether they ran already.

    Returns:
        For each name ``rounds * repeats`` times.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in () if warm else steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            for _ in range((repeats or {}).get(name, 1)):
                seconds[name].append(timed(step, device))
    return seconds


def timed(step: Step, device: torch.device | str = "cpu") -> float:
    """Seconds of one call, with what it started on the device."""
    wait(device)
    start = time.perf_counter()
    step()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device | str) -> None:
    """Wait for an accelerator."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the least-squares line through points."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    return mean_y - slope * mean_x, slope
