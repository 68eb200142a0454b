"""What the console prints of Results that 69d8333 wrote, kept in ``printed.json`` as it was then.

``python -m tests.report.printing`` writes the file anew; its diff is what a change does to every table.
"""

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from promptlab.report.table import run_table, sweep_table
from promptlab.results.schema import Calibration, SeenUnseenCurve
from promptlab.results.store import load_results
from tests.helpers.results import make_fit, make_result

PRINTED = Path(__file__).with_name("printed.json")
WRITTEN = Path(__file__).parents[1] / "earlier" / "written" / "results"
WIDTHS = (50, 80, 140)


def everything():
    """Name of a printed table to its lines."""
    found = load_results(WRITTEN)
    made = edge_cases()
    tables = {f"{run.dataset} {run.protocol} {run.learner} {run.seed}": run_table(run) for run in found}
    tables |= {f"made {number}": run_table(run) for number, run in enumerate(made)}
    tables |= {"sweep": sweep_table(found), "sweep of made": sweep_table(made)}
    return {f"{name}, {width} wide": printed(table, width) for name, table in tables.items() for width in WIDTHS}


def printed(renderable, width):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().split("\n")


def edge_cases():
    """Missing scores, targets with and without a mean, look-alikes, two datasets and backbones, curves."""
    missing = {"base": 0.7, "new": None}
    lacking = [make_result(missing, seed=seed, reasons={"new": "no images"}, learner="probe") for seed in (1, 2)]
    alike = [make_result(seed=seed, fit=make_fit(seed=seed, learner_arguments={"n_ctx": 16})) for seed in (1, 2, 3, 5)]
    others = [make_result({"base": 0.5 + s / 50, "new": 0.7}, seed=s, dataset="dtd", backbone="ViT") for s in (1, 2)]
    names = ("imagenet", "dtd", "eurosat")
    whole = [_transferred(dict(zip(names, (0.7, 0.4, s / 10), strict=True)), s) for s in (1, 2, 3)]
    partial = _transferred({"imagenet": 0.7, "dtd": None, "eurosat": 0.6}, 1, learner="x", reasons={"dtd": "no images"})
    many = make_result({f"set {n}": n / 10 for n in range(8)}, protocol="many", shots="all", views="online")
    curves = [_with_curve(seed, learner) for learner in ("coop", "ship") for seed in (1, 2)]
    return [*lacking, make_result(), *alike, *others, *whole, partial, many, *curves]


def _transferred(scores, seed, **changes):
    run = make_result(scores, seed=seed, **({"protocol": "cross_dataset", "dataset": "imagenet"} | changes))
    parts = {name: replace(part, dataset=name) for name, part in run.evaluations.items()}
    return replace(run, evaluations=parts)


def _with_curve(seed, learner):
    chosen = Calibration(bias=0.5, fit_id="0" * 16, seen=0.6, unseen=0.5, harmonic=0.54 + seed / 100)
    curve = SeenUnseenCurve(
        bias=(0.0,), seen=(0.6,), unseen=(0.4,), area=0.3, calibration=chosen if learner == "ship" else None
    )
    return make_result(
        {"seen": 0.7, "unseen": 0.4},
        seed=seed,
        names=("seen", "unseen"),
        protocol="generalized_zero_shot",
        learner=learner,
        seen_unseen=curve,
    )


if __name__ == "__main__":
    PRINTED.write_text(json.dumps(everything(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
