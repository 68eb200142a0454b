"""What stands in a table of how well known images are told from unknown ones."""

from __future__ import annotations

from collections.abc import Callable

from promptlab.report.run_score import RunScore
from promptlab.report.statistics import mean
from promptlab.results.document import Result
from promptlab.results.open_world import Detection
from promptlab.support.words import counted


def _whole(side: str) -> Callable[[Result], float | None]:
    """OpenworldAUC of ``learner`` or ``zero_shot``."""
    return lambda run: None if run.open_world is None else getattr(run.open_world, side)


def _mean_of(kind: str, field: str, side: str) -> Callable[[Result], float | None]:
    """A field of Detection of ``learner`` or ``zero_shot``, averaged over the unknowns of a kind."""

    def of(run: Result) -> float | None:
        parts = [] if run.open_world is None else [part for part in run.open_world.unknown if part.kind == kind]
        found: list[Detection] = [there for part in parts if (there := getattr(part, side)) is not None]
        return mean([getattr(part, field) for part in found]) if found else None

    return of


def _detected(kind: str, name: str, field: str, note: str, *, ranks: bool) -> RunScore:
    return RunScore(
        name=f"{kind} {name}",
        note=f"{kind} {name}: {note}",
        of=_mean_of(kind, field, "learner"),
        zero_shot=_mean_of(kind, field, "zero_shot"),
        ranks=ranks,
        in_run=ranks,
    )


SCORES = (
    RunScore(
        name="OpenworldAUC",
        note="OpenworldAUC: pairs of a base and a new image, both put right, the base one known better",
        of=_whole("learner"),
        zero_shot=_whole("zero_shot"),
    ),
    _detected("near", "AUROC", "auroc", "base images told from images of the new classes", ranks=True),
    _detected(
        "near", "FPR95", "fpr95", "new images taken for base ones at 95 % of those, lower is better", ranks=False
    ),
    _detected("far", "AUROC", "auroc", "base images told from images of other datasets", ranks=True),
    _detected("far", "FPR95", "fpr95", "far images taken for base ones at 95 % of those, lower is better", ranks=False),
)


def notes(result: Result) -> list[str]:
    """All that one run says of unknown images, a line for each kind."""
    found = result.open_world
    if found is None:
        return []
    by = found.score if found.temperature == 1 else f"{found.score} at temperature {found.temperature:g}"
    return [
        f"{part.kind}, {counted(part.images, 'image')} of {part.dataset}, by {by}: {_scores(part.learner)}"
        for part in found.unknown
        if part.learner is not None
    ]


def _scores(part: Detection) -> str:
    names = {"AUROC": part.auroc, "AUPR in": part.aupr_in, "AUPR out": part.aupr_out, "FPR95": part.fpr95}
    return ", ".join(f"{name} {100 * value:.2f}" for name, value in names.items())
