"""What Lightning's trainer is made with: the caller's options, what a fit sets itself, and how long a stage is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import torch

from promptlab.learners.base.optim import Optim

_OWN: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_autolog_hparams": False,
    "num_sanity_val_steps": 0,
    "max_steps": -1,  # Lightning's own way to end after some steps can't be resumed at the end of an epoch
}


def trainer_arguments(options: Mapping[str, Any], optim: Optim, device: torch.device, bar: Any) -> dict[str, Any]:
    """Every argument of ``lightning.Trainer`` for a stage: what isn't said, Lightning would read from PL_TRAINER_....

    Args:
        options: what the caller set, as :func:`promptlab.config.trainer.check_options` gives it.
        optim: of the stage.
        device: the backbone's.
        bar: the callback that shows progress.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(lightning.Trainer).parameters.items()}
    place: dict[str, Any] = {"accelerator": device.type, "devices": 1}
    if device.type == "cuda":
        place = {"accelerator": "gpu", "devices": [device.index or 0]}
    shown = [bar] if options.get("enable_progress_bar", True) else []
    more = {
        "callbacks": [*_listed(options.get("callbacks")), *shown],
        "enable_progress_bar": False,
        "max_epochs": -1 if optim.steps is not None else optim.epochs,
        "max_steps": -1,
    }
    return {**defaults, **_OWN, **options, **place, **more}


def last_step(optim: Optim, options: Mapping[str, Any]) -> int | None:
    """After how many steps a stage ends, if after any."""
    limits = [optim.steps, options.get("max_steps", -1)]
    return min((limit for limit in limits if limit is not None and limit >= 0), default=None)


def _listed(callbacks: Any) -> Sequence[Any]:
    """Callbacks, which may be one alone."""
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list | tuple) else [callbacks]
