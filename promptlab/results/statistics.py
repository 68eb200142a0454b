"""The harmonic mean H; how it is averaged over seeds is the report's business."""

from __future__ import annotations


def harmonic_mean(a: float, b: float) -> float:
    """``2ab / (a + b)``, and 0 where both are 0. Fractions or percent.

    Raises:
        ValueError: for a negative value.

    Example:
        >>> harmonic_mean(0.8, 0.4)
        0.5333333333333333
    """
    if a < 0 or b < 0:
        raise ValueError(f"the harmonic mean needs values of at least 0, got {a} and {b}")
    return 2 * a * b / (a + b) if a + b > 0 else 0.0
