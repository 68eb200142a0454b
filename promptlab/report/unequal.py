"""What stands in a table where classes have unequal numbers of training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from promptlab.report.run_score import RunScore
from promptlab.results.document import Result


def _balanced(side: str) -> Callable[[Result], float | None]:
    """The mean per-class accuracy of ``metrics`` or ``zero_shot``, of a run with one evaluation set."""

    def of(run: Result) -> float | None:
        if len(run.evaluations) != 1 or not _is_unequal(run):
            return None
        metrics = getattr(next(iter(run.evaluations.values())), side)
        return None if metrics is None else float(metrics.mean_class_accuracy)

    return of


def _is_unequal(run: Result) -> bool:
    """Whether some class trained on more images than another; a class without any is another thing."""
    return len({count for count in run.class_images or () if count}) > 1


SCORES = (
    RunScore(
        name="balanced",
        note="balanced: mean per-class accuracy, as the classes had unequal numbers of training images",
        of=_balanced("metrics"),
        zero_shot=_balanced("zero_shot"),
    ),
)


def drawn_otherwise(result: Result) -> dict[str, str]:
    """Whose draw the training images are, and of which shape, where that isn't CoOp's."""
    protocol = result.config.get("protocol")
    if not isinstance(protocol, Mapping):
        return {}
    usual = {"rule": "coop", "draw": "balanced", "lists": None}
    unusual = {key: str(protocol[key]) for key, value in usual.items() if protocol.get(key, value) != value}
    if unusual.get("draw") == "long_tail":
        unusual["imbalance"] = f"{protocol.get('imbalance', 10):g}"
    return unusual
