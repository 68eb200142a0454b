"""Fitting a learner: its stages in order, on features that are encoded once."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch

from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import ClosedFormStage, GradientStage
from promptlab.results.schema import EpochRecord
from promptlab.training.mark import fit_mark
from promptlab.training.module import StageModule
from promptlab.training.progress import EpochBar
from promptlab.training.resume import Resume
from promptlab.training.supply import Supply, Views

Selection = Literal["last", "val"]

TRAINER_DEFAULTS: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


@dataclass(frozen=True)
class FitReport:
    """What a fit leaves besides the learner.

    Args:
        curve: a record per epoch of every gradient stage.
        selection: which epoch's parameters were kept, in words.
        earlier_seconds: spent by interrupted runs that this one went on from.
    """

    curve: tuple[EpochRecord, ...]
    selection: str
    earlier_seconds: float = 0.0


def fit(
    learner: PromptLearner,
    train: Items,
    *,
    val: Items | None = None,
    bank: FeatureBank | None = None,
    views: Views = 16,
    crop_scale: tuple[float, float] | None = None,
    select: Selection = "last",
    seed: int = 1,
    trainer: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    ckpt_every_s: float = 30.0,
    discard_checkpoint: bool = True,
) -> FitReport:
    """Run a learner's fit plan.

    Args:
        learner: changed in place.
        train: training items; labels index the learner's classes.
        val: validation items, needed by ``select="val"`` and by learners that search.
        bank: where features are kept; None opens the default one.
        views: for learners that read features: K draws among K random views of each image, encoded once; 0 uses the
            evaluation transform alone; ``"online"`` encodes a fresh random view in every step.
        crop_scale: smallest and largest share of an image in a random view; the learner's ``crop_scale`` if None.
        select: keep the ``last`` epoch, or the best on ``val`` (the earliest of equals).
        seed: order of the items and draws of views follow from it.
        trainer: options for ``lightning.Trainer`` (callbacks, logger, max_time, precision, ...).
        checkpoint: file that an interrupted fit goes on from, to equal bits.
        ckpt_every_s: at most one checkpoint in so many seconds, at the end of an epoch.
        discard_checkpoint: delete that file when the fit is done; a caller that has to write down first what was
            learned deletes it afterwards.

    Raises:
        ValueError: for options that can't be; the message says which.
        FloatingPointError: if the loss is no number any more.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> data = promptlab.demo_dataset("demo_textures")
        >>> picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=1, seed=1)
        >>> learner = promptlab.TipAdapter(clip, data.class_names, search=False)
        >>> report = promptlab.fit(learner, data.train.take(picks), views=0)
        >>> len(learner.keys) == len(picks)  # a row of the cache per image
        True
    """
    options = _checked(trainer, select, val, views)
    scale = crop_scale or learner.crop_scale
    supply = Supply(learner, train, val, bank or FeatureBank(), views, scale, seed)
    plan = learner.fit_plan()
    if not plan:
        return FitReport((), "nothing is trained")
    path = None if checkpoint is None else Path(checkpoint)
    resume = Resume(path, ckpt_every_s, "" if path is None else fit_mark(learner, plan, supply, select, options))
    progress = resume.progress
    if resume.tensors is not None:
        learner.take_shapes({name.removeprefix("learner."): saved for name, saved in resume.tensors.items()})
    try:
        for index, stage in list(enumerate(plan))[progress.stage :]:
            progress.stage = index
            if isinstance(stage, ClosedFormStage):
                with torch.no_grad():
                    stage.solve(*supply.everything(stage))
                continue
            loader, encode = supply.batches(stage)
            score = supply.score(stage) if select == "val" and stage.chosen_by != "last" else None
            module = StageModule(learner, stage, loader, resume, encode=encode, score=score)
            _run(module, stage, options, resume)
            progress.curve += module.curve
            progress.kept.append(module.best_epoch)
    except KeyboardInterrupt:
        resume.explain_interrupt()
        raise
    if discard_checkpoint:
        resume.done()
    epochs = ", ".join(f"epoch {epoch}" for epoch in progress.kept if epoch is not None)
    selection = f"best on validation images ({epochs})" if select == "val" else "last epoch"
    return FitReport(tuple(progress.curve), selection, progress.seconds)


def _checked(trainer: Mapping[str, Any] | None, select: Selection, val: Items | None, views: Views) -> dict[str, Any]:
    """The trainer's options, when everything fits each other."""
    options = dict(trainer or {})
    if "max_epochs" in options or "min_epochs" in options:
        raise ValueError("epochs belong to the learner (optim.epochs): its schedule depends on them")
    if str(options.get("precision")).endswith("-true") and options["precision"] != "32-true":
        raise ValueError(f"precision={options['precision']!r}: learned vectors stay fp32; set the backbone's precision")
    if select not in ("last", "val"):
        raise ValueError(f"select={select!r}: allowed are 'last' and 'val'")
    if select == "val" and (val is None or not len(val)):
        raise ValueError("select='val' needs validation images: give val=few or val=full, or select='last'")
    if not (views == "online" or (isinstance(views, int) and views >= 0)):
        raise ValueError(f"views={views!r}: a number >= 0 or 'online' is needed")
    return options


def _run(module: StageModule, stage: GradientStage, options: Mapping[str, Any], resume: Resume) -> None:
    device = module.learner.clip.device
    place: dict[str, Any] = {"accelerator": device.type, "devices": 1}
    if device.type == "cuda":
        place = {"accelerator": "gpu", "devices": [device.index or 0]}
    own: dict[str, Any] = {**TRAINER_DEFAULTS, **place, **options}
    if own.pop("enable_progress_bar", True):
        own["callbacks"] = [*own.get("callbacks", ()), EpochBar(f"{type(module.learner).__name__} {stage.name}")]
    with _quiet_lightning(), module.watching():
        trainer = lightning.Trainer(**own, enable_progress_bar=False, max_epochs=stage.optim.epochs)
        try:
            trainer.fit(module, train_dataloaders=module.loader, ckpt_path=resume.take(), weights_only=True)
        except SystemExit:  # what Lightning makes of Ctrl-C; callers of a library expect the interrupt itself
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            module.learner.to(device)  # Lightning takes its module back to the CPU
    if not any(record.stage == stage.name for record in (*resume.progress.curve, *module.curve)):
        raise ValueError(f"stage {stage.name!r} trained nothing: the trainer's options leave no epoch to run")


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
