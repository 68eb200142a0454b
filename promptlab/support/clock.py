"""Wall-clock seconds by phase."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Clock:
    """Adds up what phases take.

    Args:
        phases: their names.

    Example:
        >>> clock = Clock(("load", "fit"))
        >>> with clock.phase("fit"):
        ...     pass
        >>> clock.seconds["load"], clock.seconds["fit"] >= 0
        (0.0, True)
    """

    def __init__(self, phases: Sequence[str]) -> None:
        self.seconds = dict.fromkeys(phases, 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what the block takes to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start
