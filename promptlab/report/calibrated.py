"""What stands in a table of how far probabilities can be believed, before and after a temperature."""

from __future__ import annotations

from collections.abc import Callable

from promptlab.report.run_score import RunScore
from promptlab.results.calibration import CalibrationErrors
from promptlab.results.document import Result
from promptlab.results.schema import EvaluationResult

_WHERE = "on the run's first evaluation set, lower is better"


def _first(run: Result) -> EvaluationResult | None:
    """The first evaluation of a run with a temperature."""
    return next(iter(run.evaluations.values()), None) if run.temperature is not None else None


def _error(when: str, field: str) -> Callable[[Result], float | None]:
    """A field of the errors ``uncalibrated`` or ``calibrated``."""

    def of(run: Result) -> float | None:
        first = _first(run)
        errors: CalibrationErrors | None = None if first is None else getattr(first, when)
        return None if errors is None else getattr(errors, field)

    return of


SCORES = (
    RunScore(
        name="ECE",
        note=f"ECE: expected calibration error {_WHERE}",
        of=_error("uncalibrated", "ece"),
        ranks=False,
        in_run=False,
    ),
    RunScore(
        name="ECE after",
        note="ECE after: that after the temperature",
        of=_error("calibrated", "ece"),
        ranks=False,
        in_run=False,
    ),
    RunScore(
        name="NLL",
        note=f"NLL: negative log-likelihood in nats {_WHERE}",
        of=_error("uncalibrated", "nll"),
        fraction=False,
        ranks=False,
        in_run=False,
    ),
    RunScore(
        name="NLL after",
        note="NLL after: that after the temperature",
        of=_error("calibrated", "nll"),
        fraction=False,
        ranks=False,
        in_run=False,
    ),
)


def notes(result: Result) -> list[str]:
    """What one run says of its temperature, and a line for each evaluation set."""
    found = result.temperature
    if found is None:
        return []
    return [
        f"temperature {found.value:.3f}, fitted on {found.chosen_on}",
        *(
            f"{name}, before → after: {_changes(part.uncalibrated, part.calibrated)}"
            for name, part in result.evaluations.items()
            if part.uncalibrated is not None and part.calibrated is not None
        ),
    ]


def _changes(before: CalibrationErrors, after: CalibrationErrors) -> str:
    texts = [
        f"ECE {100 * before.ece:.2f} → {100 * after.ece:.2f}",
        f"adaptive ECE {100 * before.adaptive_ece:.2f} → {100 * after.adaptive_ece:.2f}",
        f"Brier {before.brier:.4f} → {after.brier:.4f}",
    ]
    if before.nll is not None and after.nll is not None:
        texts.append(f"NLL {before.nll:.4f} → {after.nll:.4f}")
    return ", ".join(texts)
