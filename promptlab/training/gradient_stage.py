"""One gradient stage under Lightning's trainer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from promptlab.learners.base.stages import GradientStage
from promptlab.training.comparison import Comparison
from promptlab.training.curve_log import CurveLog
from promptlab.training.module import StageModule
from promptlab.training.options import last_step, trainer_arguments
from promptlab.training.progress import EpochBar
from promptlab.training.resume import Resume
from promptlab.training.stage_data import StageData


def run_stage(
    stage: GradientStage,
    data: StageData,
    options: Mapping[str, Any],
    resume: Resume,
    curve_log: CurveLog,
    comparison: Comparison | None,
) -> StageModule:
    """Run one gradient stage, and note it if the trainer's options ended it early.

    Args:
        stage: what is trained, and how.
        data: of the fit.
        options: for ``lightning.Trainer``, checked.
        resume: keeps the fit's state, and says where to go on.
        curve_log: hands the curve to loggers.
        comparison: what chooses the epoch; None keeps the last.

    Returns:
        The module, with its curve and the epoch that was chosen.

    Raises:
        ValueError: if the trainer's options don't fit the data, or leave nothing to run.
    """
    loader, encode = data.batches(stage)
    module = StageModule(data.learner, stage, loader, resume, curve_log, encode=encode, comparison=comparison)
    device = module.learner.clip.device
    bar = EpochBar(f"{type(module.learner).__name__} {stage.name}")
    module.steps = last_step(stage.optim, options)
    with _quiet_lightning(), _own_switches(), module.watching():
        try:
            trainer = lightning.Trainer(**trainer_arguments(options, stage.optim, device, bar))
            trainer.fit(module, train_dataloaders=module.loader, ckpt_path=resume.take(), weights_only=True)
        except SystemExit:  # what Lightning makes of Ctrl-C; callers of a library expect the interrupt itself
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        except MisconfigurationException as error:  # what only the data tells, such as a share of too few batches
            raise ValueError(f"stage {stage.name!r} can't run with the trainer's options: {error}") from error
        finally:
            loader.close()
            module.learner.to(device)  # Lightning takes its module back to the CPU
    epochs = sum(record.stage == stage.name for record in (*resume.progress.curve, *module.curve))
    if not epochs:
        raise ValueError(f"stage {stage.name!r} trained nothing: the trainer's options leave no epoch to run")
    ran, wanted, unit = epochs, stage.optim.epochs, "epochs"
    if stage.optim.steps is not None:
        ran, wanted, unit = trainer.global_step, stage.optim.steps, "steps"
    if ran < wanted:
        note = f"stage {stage.name} ran {ran} of {wanted} {unit}: the trainer's options ended it"
        resume.progress.cut_short.append(note)
    return module


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without Lightning's tips and its advice on data loaders that don't exist here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def _own_switches() -> Iterator[None]:
    """What options set for the whole process (``deterministic``, ``benchmark``) ends with the block."""
    strict = torch.get_deterministic_debug_mode()
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(strict)
        cudnn.benchmark, cudnn.deterministic = before
