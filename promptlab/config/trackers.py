"""Trackers that a logger of Lightning's writes to: which package each needs, and which extra it is in."""

from __future__ import annotations

from importlib.util import find_spec

from promptlab.config.choice import Choice
from promptlab.support.extras import missing_extra

_PACKAGES = {"TensorBoardLogger": "tensorboard", "WandbLogger": "wandb", "MLFlowLogger": "mlflow",
             "TrackioLogger": "trackio"}  # fmt: skip
"""Class of the logger to what it imports, which is also the name of the extra."""


def require_tracker(logger: Choice) -> Choice:
    """Refuse a logger whose tracker isn't installed, before anything is trained.

    Args:
        logger: what makes it.

    Raises:
        UsageError: with the command that installs it.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> require_tracker(Choice(CSVLogger, {"save_dir": "logs"})).label
        'csvlogger'
    """
    package = _PACKAGES.get(logger.kind.__name__)
    if package is not None and find_spec(package) is None:
        raise missing_extra(package, f"logger._target_={logger.path}", package)
    return logger
