"""The learning curve in Lightning's loggers: a point per epoch, of every stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from promptlab.results.schema import EpochRecord

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

_SHOWN = {"loss": "loss", "accuracy": "accuracy", "learning_rate": "lr", "val_accuracy": "val_accuracy",
          "val_loss": "val_loss", "test_accuracy": "test_accuracy"}  # fmt: skip
"""Fields of a record, and what loggers call them behind the stage's name."""


class CurveLog:
    """Hands the curve of one fit to loggers, also the epochs of interrupted runs that it goes on from."""

    def __init__(self) -> None:
        self._written = 0

    def write(self, loggers: Iterable[Logger], curve: Sequence[EpochRecord]) -> None:
        """Hand over what is new.

        Args:
            loggers: of the stage's trainer.
            curve: of the whole fit so far; a record's place in it is its step, which rises from stage to stage.
        """
        for step, record in list(enumerate(curve))[self._written :]:
            for logger in loggers:
                logger.log_metrics(points_of(record), step=step)
        self._written = len(curve)


def points_of(record: EpochRecord) -> dict[str, float]:
    """What a logger gets of an epoch.

    Example:
        >>> points_of(EpochRecord(stage="context", epoch=3, loss=0.5, accuracy=None, learning_rate=0.002))
        {'epoch': 3, 'context/loss': 0.5, 'context/lr': 0.002}
    """
    values = {f"{record.stage}/{name}": getattr(record, field) for field, name in _SHOWN.items()}
    return {"epoch": record.epoch, **{name: value for name, value in values.items() if value is not None}}
