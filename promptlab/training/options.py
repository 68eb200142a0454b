"""Options of ``lightning.Trainer``: what a fit sets, what it refuses, and what changes nothing but what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlab.learners.base.optim import Optim

TRAINER_DEFAULTS: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}
TRAINER_DETAILS = (
    "enable_progress_bar",
    "enable_model_summary",
    "enable_checkpointing",
    "default_root_dir",
    "log_every_n_steps",
    "logger",
    "profiler",
)
"""Options that change nothing but what is shown: no part of what a fit is."""


def telling(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a fit's numbers may follow from."""
    return {name: value for name, value in options.items() if name not in TRAINER_DETAILS}


def checked_options(trainer: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options, if a fit can be run with them.

    Raises:
        ValueError: for an option that isn't the caller's to set.
    """
    options = dict(trainer or {})
    if "max_epochs" in options or "min_epochs" in options:
        raise ValueError("epochs belong to the learner (optim.epochs): its schedule depends on them")
    if str(options.get("precision")).endswith("-true") and options["precision"] != "32-true":
        raise ValueError(f"precision={options['precision']!r}: learned vectors stay fp32; set the backbone's precision")
    return options


def length_of(optim: Optim, options: Mapping[str, Any]) -> tuple[int, int | None]:
    """How many epochs a stage has (-1 if it counts steps), and after how many steps it ends, if after any."""
    limits = [optim.steps, options.get("max_steps", -1)]
    steps = [limit for limit in limits if limit is not None and limit >= 0]
    return -1 if optim.steps is not None else optim.epochs, min(steps, default=None)
