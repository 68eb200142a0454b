"""What a measurement found, as JSON and as a table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from rich.console import Console, Group
from rich.table import Table

from promptlab.support.devices import usable_device
from promptlab.support.machine import gpu, processor, usable_cpus
from promptlab.support.version import __version__

OURS, PLAIN, PRODUCTS = "promptlab", "plain", "products"


@dataclass(frozen=True)
class Comparison:
    """One step, by promptlab and by the plain rendering.

    Args:
        what: the step.
        seconds: times of every call, by side; ``products`` are the step's matrix products alone.
        per: images of one call, by side, if times are to be read per image; 1 otherwise.
        useful_flop: operations that promptlab's call needs, and those of them that are products with weights.
        towers: by side, operations of the products that ran, by whose weights they are with.
        split: shares of promptlab's time by kind.
        differences: between the two sides' answers, by entry.
        note: what a reader must know of this row.
    """

    what: str
    seconds: Mapping[str, Sequence[float]]
    per: Mapping[str, int] = field(default_factory=dict)
    useful_flop: tuple[int, int] | None = None
    towers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    split: Mapping[str, float] = field(default_factory=dict)
    differences: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def median(self, side: str) -> float:
        """Seconds of a call, or of an image."""
        return statistics.median(self.seconds[side]) / self.per.get(side, 1)

    @property
    def ratio(self) -> float:
        """How many times faster promptlab is."""
        return self.median(PLAIN) / self.median(OURS)

    @property
    def rates(self) -> dict[str, float]:
        """Operations a second: promptlab's, those of the products alone, and the share of the one in the other."""
        if self.useful_flop is None:
            return {}
        flop, product_flop = self.useful_flop
        achieved = flop / statistics.median(self.seconds[OURS])
        alone = product_flop / statistics.median(self.seconds[PRODUCTS])
        return {"flops": achieved, "flops_of_products_alone": alone, "share_of_products_rate": achieved / alone}

    def plain_values(self) -> dict[str, Any]:
        """For JSON."""
        medians = {side: self.median(side) for side in self.seconds}
        return {**asdict(self), "median_seconds": medians, "ratio": self.ratio, **self.rates}


@dataclass(frozen=True)
class Figure:
    """One number.

    Args:
        what: what was measured.
        value: the number.
        unit: ``s``, ``ms``, ``images/s``, ``MiB``, or empty for a share or a ratio.
        note: what a reader must know of it.
    """

    what: str
    value: float
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that one ``promptlab bench`` found.

    Args:
        bench: the verb.
        settings: what it was asked for.
        comparisons: steps against the plain rendering.
        figures: single numbers.
    """

    bench: str
    settings: Mapping[str, Any]
    comparisons: Sequence[Comparison] = ()
    figures: Sequence[Figure] = ()

    def document(self) -> dict[str, Any]:
        """All of it as plain values, with the machine it was made on."""
        return {
            "bench": self.bench,
            "settings": dict(self.settings),
            "machine": machine(str(usable_device(str(self.settings.get("device", "cpu"))))),
            "comparisons": [comparison.plain_values() for comparison in self.comparisons],
            "figures": [asdict(figure) for figure in self.figures],
        }

    def show(self, console: Console) -> None:
        """Print it as tables."""
        console.print(", ".join(f"{key} {value}" for key, value in self.settings.items() if value is not None))
        if self.comparisons:
            console.print(_times(self.comparisons))
        if any(comparison.rates for comparison in self.comparisons):
            console.print(_rates(self.comparisons))
        if self.figures:
            console.print(_figures(self.figures))


def machine(device: str) -> dict[str, Any]:
    """Where the numbers come from."""
    facts = {
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cpus(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "promptlab": __version__,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    name = gpu(device)
    return facts | ({"gpu": name} if name else {})


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


def _times(comparisons: Sequence[Comparison]) -> Group:
    table = _table("", "plain", "promptlab", "times faster", "largest difference")
    for row in comparisons:
        cells = [_seconds(row.median(side)) for side in (PLAIN, OURS)]
        apart = f"{max(row.differences.values()):.1e}" if row.differences else ""
        table.add_row(row.what, *cells, f"{row.ratio:.1f}", apart)
    return Group(table, *(f"{row.what}: {row.note}" for row in comparisons if row.note))


def _rates(comparisons: Sequence[Comparison]) -> Table:
    """A column per comparison: seven facts of each don't fit beside each other."""
    measured = [row for row in comparisons if row.rates]
    table = _table("", *(row.what for row in measured))
    table.add_row("useful GFLOP/s", *(f"{row.rates['flops'] / 1e9:.0f}" for row in measured))
    table.add_row("its products alone", *(f"{row.rates['flops_of_products_alone'] / 1e9:.0f}" for row in measured))
    table.add_row("share of that", *(f"{100 * row.rates['share_of_products_rate']:.0f} %" for row in measured))
    for tower in next((row.towers[OURS] for row in measured if row.towers), ()):
        for side in (PLAIN, OURS):
            cells = [_gflop(row.towers, side, tower) for row in measured]
            if any(cells):
                table.add_row(f"GFLOP of the {tower}, {side}", *cells)
    for kind in measured[0].split:
        table.add_row(f"time in {kind}", *(f"{100 * row.split[kind]:.0f} %" for row in measured))
    return table


def _gflop(towers: Mapping[str, Mapping[str, int]], side: str, tower: str) -> str:
    flop = towers[side][tower] if towers else 0
    return f"{flop / 1e9:,.2f}" if flop else ""


def _figures(figures: Sequence[Figure]) -> Table:
    table = _table("", "", "")
    for figure in figures:
        table.add_row(figure.what, f"{figure.value:,.4g} {figure.unit}".strip(), figure.note)
    return table


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.1f} ms"
