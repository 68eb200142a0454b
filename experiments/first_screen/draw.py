"""README's first figure, of numbers that are committed: what a step costs, and what it buys.

``python experiments/first_screen/draw.py`` writes ``first_screen.png`` beside this file.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptlab.jobs.committed import read_study
from promptlab.report.figures.style import FAINT, Drawing, looks, new_figure
from promptlab.report.statistics import mean_interval

HERE = Path(__file__).resolve().parent
STEPS = {
    "CoOp\n32 images": ("coop", "training step, batch 32"),
    "CoCoOp\nan image": ("cocoop", "per image, batch 8, 100 classes, M=4"),
    "SHIP's generator\n64 images": ("ship", "generator step, batch 64"),
}
"""What a bar is called, and where its seconds stand in ``experiments/performance``."""
NAMES = {
    "coop": "CoOp",
    "tip_adapter_f": "Tip-Adapter-F",
    "clip_adapter": "CLIP-Adapter",
    "tip_adapter": "Tip-Adapter",
    "linear_probe": "linear probe",
}


def main() -> None:
    """Draw it."""
    drawing = Drawing(name="first_screen", title="", caption="", draw=draw)
    (HERE / "first_screen.png").write_bytes(drawing.png())


def draw(width: float) -> Figure:
    """Seconds of a step on the left, accuracy over shots on the right."""
    figure = new_figure(width, 2.5)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    _steps(left)
    _curves(right)
    return figure


def _steps(axes: Axes) -> None:
    look = looks(["promptlab"])["promptlab"]
    for place, (bench, what) in enumerate(STEPS.values()):
        document = json.loads((HERE.parent / "performance" / f"{bench}.json").read_text())
        found = next(each for each in document["comparisons"] if each["what"] == what)
        plain, ours = found["median_seconds"]["plain"], found["median_seconds"]["promptlab"]
        way, us = ("research code's way", "promptlab") if place == 0 else (None, None)
        axes.barh(place - 0.2, plain, 0.36, color=FAINT, label=way)
        axes.barh(place + 0.2, ours, 0.36, color=look.color, label=us)
        axes.text(plain * 1.15, place - 0.2, f"{plain:.1f} s", va="center", fontsize=7)
        axes.text(ours * 1.15, place + 0.2, f"{ours:.2f} s, {plain / ours:.0f} times faster", va="center", fontsize=7)
    axes.set_yticks(range(len(STEPS)), list(STEPS))
    axes.set_ylim(len(STEPS) + 0.15, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(0.1, 100)
    axes.set_xticks([0.1, 1, 10, 100], ["0.1 s", "1 s", "10 s", "100 s"])
    axes.minorticks_off()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", ncols=2, handlelength=1.2)
    axes.set_title("Seconds of a training step, equal gradients;\nViT-B/16, 100 classes, two CPU cores", fontsize=7)


def _curves(axes: Axes) -> None:
    study = read_study(HERE.parent / "demo_few_shot")
    scores: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    baseline, runs = 0.0, 0
    with (HERE.parent / "demo_few_shot" / "runs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scores[row["learner"]][int(row["shots"])].append(float(row["top1"]))
            baseline, runs = float(row["zero_shot_top1"]), runs + 1
    axes.axhline(100 * baseline, color=FAINT, linestyle=(0, (4, 2)), label="zero-shot CLIP")
    for name, look in looks(NAMES).items():
        if name not in NAMES:
            continue
        curve = {shots: mean_interval(scores[name][shots]) for shots in sorted(scores[name])}
        means = [100 * score.mean for score in curve.values()]
        widths = [100 * (score.half_width or 0) for score in curve.values()]
        axes.plot(list(curve), means, color=look.color, marker=look.marker, linestyle=look.linestyle, label=NAMES[name])
        low, high = ([m + sign * w for m, w in zip(means, widths, strict=True)] for sign in (-1, 1))
        axes.fill_between(list(curve), low, high, color=look.color, alpha=0.13, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(scores["coop"]), [str(shots) for shots in scores["coop"]])
    axes.minorticks_off()
    axes.set_xlabel("training images per class")
    axes.set_ylabel("top-1 accuracy (%)")
    axes.set_title(f"promptlab {study.commands[0]}\n{runs} runs; 95 % intervals of five seeds", fontsize=7)
    axes.legend(loc="lower right", labelspacing=0.2, handlelength=2.4)


if __name__ == "__main__":
    main()
