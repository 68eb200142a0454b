"""Lines through the points of measure.py, plots, and what they say of ImageNet and of 21,841 classes.

Every cost is fitted as ``a + b n``: by least squares on relative errors, so that small n counts as much as large n.
Plots need matplotlib, which promptlab itself does not: ``uv run --with matplotlib python experiments/scaling/fit.py``.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MIB = 2**20


def line(n: list[float], cost: list[float]) -> tuple[float, float, float]:
    """Intercept, slope and largest relative error of the line."""
    n, cost = np.array(n, dtype=float), np.array(cost, dtype=float)
    weight = 1 / np.maximum(cost, 1e-12)
    design = np.stack([np.ones_like(n), n], axis=1)
    (a, b), *_ = np.linalg.lstsq(design * weight[:, None], cost * weight, rcond=None)
    return float(a), float(b), float(np.abs((a + b * n - cost) * weight).max())


def growth(n: list[float], cost: list[float]) -> float:
    """Exponent of growth over the upper half of the range: 1 where cost is proportional to n."""
    half = max(0, min(len(n) // 2, len(n) - 2))
    return float(np.polyfit(np.log(n[half:]), np.log(cost[half:]), 1)[0])


def main() -> None:
    """Print the fits and projections as Markdown, and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=Path, default=HERE / "points.jsonl")
    parser.add_argument("--plot", type=Path, default=HERE / "scaling.png")
    parser.add_argument("--no-plot", action="store_true")
    options = parser.parse_args()
    points = [json.loads(text) for text in options.points.read_text().splitlines()]
    series = {what: sorted((p for p in points if p["what"] == what), key=lambda p: p["n"])
              for what in dict.fromkeys(p["what"] for p in points)}  # fmt: skip
    sys.stdout.write(fits(series))
    sys.stdout.write(projections(series))
    if not options.no_plot:
        plot(series, options.plot)


def fits(series: dict) -> str:
    """A row for each factor."""
    rows = [
        "| what | n | seconds | largest error | exponent | MiB beyond the model |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for what, own in series.items():
        n, seconds = [p["n"] for p in own], [p["seconds"] for p in own]
        a, b, error = line(n, seconds)
        c, d, _ = line(n, [p["bytes"] / MIB for p in own])
        spread = f"{n[0]:,} to {n[-1]:,}"
        rows.append(f"| {what} | {spread} | {a:.3g} + {b:.3g} n | {100 * error:.0f} % | {growth(n, seconds):.2f} "
                    f"| {c:.3g} + {d:.3g} n |")  # fmt: skip
    return "\n".join(rows) + "\n\n"


def projections(series: dict) -> str:
    """On paper, what was not run: CoOp's 50 epochs and CoCoOp's 10 on 16 shots, and gathering all of ImageNet."""
    rows = ["| on paper | |", "| --- | --- |"]
    for C in (1000, 21841):
        if "coop classes" in series:
            step, kept = at(series["coop classes"], "seconds", C), at(series["coop classes"], "bytes", C) / MIB
            steps = 50 * (16 * C // 32)
            rows.append(f"| CoOp step, {C:,} classes, M=16 | {step:,.2f} s |")
            rows.append(f"| CoOp, {C:,} classes, 16 shots, 50 epochs: {steps:,} steps | {steps * step / 3600:,.0f} h |")
            rows.append(f"| CoOp step, {C:,} classes, memory if no budget cut it | {kept:,.0f} MiB |")
        if "cocoop classes" in series:
            steps, step = 10 * 16 * C, at(series["cocoop classes"], "seconds", C)
            what = f"CoCoOp, {C:,} classes, 16 shots, 10 epochs of single images: {steps:,} steps"
            rows.append(f"| {what} | {steps * step / 3600:,.0f} h |")
    if "gather images" in series:
        whole, drawn = (at(series["gather images"], "seconds", n) for n in (1_281_167, 16 * 21_841))
        rows.append(f"| gathering ImageNet's 1,281,167 training features | {whole:,.1f} s |")
        rows.append(f"| gathering 16 shots of 21,841 classes in 16 views | {16 * drawn:,.1f} s |")
    return "\n".join(rows) + "\n"


def at(own: list[dict], cost: str, n: int) -> float:
    """A series' line at n."""
    a, b, _ = line([p["n"] for p in own], [p[cost] for p in own])
    return a + b * n


def plot(series: dict, path: Path) -> None:
    """Time and memory over each factor with the fitted lines: axes are logarithmic, from 0 for the context's length."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("plots need matplotlib: uv run --with matplotlib python experiments/scaling/fit.py "
                         "(or --no-plot)") from None  # fmt: skip
    matplotlib.use("Agg")
    from matplotlib import pyplot

    factors = ("classes", "context", "images")
    figure, axes = pyplot.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
    for column, factor in enumerate(factors):
        for what, own in series.items():
            if not what.endswith(factor):
                continue
            n = [p["n"] for p in own]
            for row, cost in enumerate(([p["seconds"] for p in own], [p["bytes"] / MIB for p in own])):
                a, b, _ = line(n, cost)
                (marks,) = axes[row, column].plot(n, cost, "o", label=f"{what.split()[0]} ({own[0]['backbone']})")
                dense = np.geomspace(n[0], n[-1], 50)
                axes[row, column].plot(dense, a + b * dense, color=marks.get_color(), linewidth=1)
        for row, unit in enumerate(("seconds", "MiB beyond the model")):
            scale = "linear" if factor == "context" else "log"
            axes[row, column].set(xscale=scale, yscale=scale, xlabel=factor, ylabel=unit)
            if scale == "linear":
                axes[row, column].set(xlim=0, ylim=0)
            if axes[row, column].lines:
                axes[row, column].legend(frameon=False, loc="lower right" if scale == "linear" else "upper left")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
