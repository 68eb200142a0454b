"""A bias between seen and unseen classes, chosen by the same run on images that are never tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from promptlab.config.settings import ConfigError, Settings
from promptlab.protocols.task import Task
from promptlab.results.document import Result


@dataclass(frozen=True)
class Bias:
    """What is added to the logits of unseen classes.

    Args:
        value: the bias.
        fit_id: id of the fit that chose it.
    """

    value: float
    fit_id: str


def choose_bias(settings: Settings, task: Task, run: Callable[[Settings], Result]) -> Bias | None:
    """The bias that the task wants to be chosen beforehand, None where it wants none.

    Args:
        settings: of the run.
        task: says under which arguments of its protocol the bias is chosen.
        run: makes a run of settings.

    Raises:
        ConfigError: if H is 0 under every bias.
    """
    if task.calibration is None:
        return None
    result = run(replace(settings, protocol=settings.protocol.changed(**task.calibration)))
    if result.seen_unseen is None or result.seen_unseen.best_bias is None:
        raise ConfigError(
            "protocol.calibrate=true: on the development split H is 0 under every bias, so none can be chosen; use "
            "protocol.calibrate=false"
        )
    return Bias(result.seen_unseen.best_bias, result.fit_id)


def has_bias(result: Result, wanted: Bias | None) -> bool:
    """Whether a document was calibrated with this bias, where one is wanted."""
    if wanted is None:
        return True
    found = None if result.seen_unseen is None else result.seen_unseen.calibration
    return found is not None and (found.bias, found.fit_id) == (wanted.value, wanted.fit_id)
