"""A run in a tracker: its settings, its learning curve while it trains, its scores at the end.

What trains hands the curve to Lightning's logger (:mod:`promptlab.training.curve_log`); the rest is handed over here.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.config.choice import Choice
from promptlab.config.settings import Settings
from promptlab.results.document import Result
from promptlab.support.locks import lock_file
from promptlab.support.signatures import signature_of
from promptlab.training.curve_log import CurveLog

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

_NO_SETTINGS = ("logger", "results", "force", "ckpt_every_s", "keep")
"""Of a run's configuration, what its numbers don't follow from."""

_QUIET = {"WANDB_SILENT": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
"""What keeps trackers from saying how they are, unless the user has said so."""


class Tracker:
    """A run in the tracker that its settings choose; without one, nothing happens.

    Args:
        logger: Lightning's, None without one.
        settings: as a tracker shows them.
    """

    def __init__(self, logger: Logger | None, settings: Mapping[str, Any]) -> None:
        self.logger, self._settings = logger, settings

    def tell(self, result: Result, *, trained: bool) -> None:
        """Hand over what came of the run.

        Args:
            result: its document.
            trained: whether the logger got the learning curve while it trained.
        """
        if self.logger is None:
            return
        from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger  # imported already, with the logger

        if isinstance(self.logger, CSVLogger):  # a table of epochs, beside the Result
            return
        if not trained:
            CurveLog().write([self.logger], result.learning_curve)
        scores = scores_of(result)
        if isinstance(self.logger, TensorBoardLogger):  # its table of runs wants settings and scores at once
            self.logger.log_hyperparams(dict(self._settings), scores)
        else:
            self.logger.log_metrics(scores, step=len(result.learning_curve))


@contextmanager
def tracked(settings: Settings, folder: Path, fit_id: str) -> Iterator[Tracker]:
    """The run in its tracker, ended however the run ends.

    Args:
        settings: of the run.
        folder: the run's, which the logger writes to unless it is told another.
        fit_id: id of the fit.
    """
    if settings.logger is None:
        yield Tracker(None, {})
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logger: Any = _logger(settings.logger, folder)
    shown = {"fit_id": fit_id, **shown_settings(settings)}
    with lock_file(Path(settings.results) / ".tracker.lock"), _without_advice():  # the first makes what all share
        logger.log_hyperparams(shown)
        _ = logger.experiment
    status = "failed"
    try:
        yield Tracker(logger, shown)
        status = "success"
    finally:
        logger.finalize(status)
        end = getattr(logger, "finish", None) or getattr(logger.experiment, "finish", None)
        if end is not None:  # without which the next run of a sweep would be logged as this one
            end()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Without Lightning's warnings that what isn't there yet is made, and that a run's folder holds a run."""
    log = logging.getLogger("lightning.pytorch.loggers")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        try:
            yield
        finally:
            log.setLevel(level)


def shown_settings(settings: Settings) -> dict[str, Any]:
    """A run's settings by the keys of the command line.

    Args:
        settings: of the run.
    """
    document = {key: value for key, value in settings.as_document().items() if key not in _NO_SETTINGS}
    choices = {"learner": settings.learner, "dataset": settings.dataset, "protocol": settings.protocol,
               "backbone": settings.backbone}  # fmt: skip
    names = {group: choice.arguments.get("name") or choice.label for group, choice in choices.items()}
    return {**names, **_flat(document)}


def _flat(node: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{key}.")
        elif key != "_target_":
            flat[f"{above}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat


def scores_of(result: Result) -> dict[str, float]:
    """The scores of a run as a tracker shows them.

    Args:
        result: its document.
    """
    scores: dict[str, float | None] = {}
    for name, part in result.evaluations.items():
        if part.metrics is not None:
            own = {key: getattr(part.metrics, key) for key in ("top1", "mean_class_accuracy", "macro_f1")}
            scores |= {f"{name}/{key}": value for key, value in own.items()}
            scores[f"{name}/ece"] = part.metrics.reliability.ece
        if part.calibrated is not None:
            scores |= {f"{name}/{key}_after": value for key, value in vars(part.calibrated).items()}
        scores[f"{name}/zero_shot_top1"] = None if part.zero_shot is None else part.zero_shot.top1
    if result.harmonic is not None:
        scores |= {"H": result.harmonic.learner, "H/zero_shot": result.harmonic.zero_shot}
    if result.open_world is not None:
        scores |= {"OpenworldAUC": result.open_world.learner, "OpenworldAUC/zero_shot": result.open_world.zero_shot}
    return {name: value for name, value in scores.items() if value is not None}


def _logger(choice: Choice, folder: Path) -> Logger:
    """The logger, writing into the run's folder unless it is told another."""
    own = {"save_dir": str(folder)} if "save_dir" in signature_of(choice.kind) else {}
    logger: Logger = choice.make(**{name: value for name, value in own.items() if choice.arguments.get(name) is None})
    return logger
