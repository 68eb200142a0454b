"""Fitting a learner: its stages in order, on features that are encoded once."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning
import torch
from torch import Tensor

from promptlab.data.feature_bank import FeatureBank
from promptlab.data.image_dataset import ImageDataset
from promptlab.data.items import Items
from promptlab.data.transforms import require_preprocess, training_transform
from promptlab.learners.base import Batch, ClosedFormStage, GradientStage, PromptLearner
from promptlab.results.schema import EpochRecord
from promptlab.training.evaluate import evaluate
from promptlab.training.loaders import EpochLoader, FeatureLoader, ImageLoader
from promptlab.training.module import StageModule
from promptlab.training.progress import EpochBar
from promptlab.training.streams import stream_seed

Views = int | Literal["online"]
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
    """

    curve: tuple[EpochRecord, ...]
    selection: str


def fit(
    learner: PromptLearner,
    train: Items,
    *,
    val: Items | None = None,
    bank: FeatureBank | None = None,
    views: Views = 16,
    select: Selection = "last",
    seed: int = 1,
    trainer: Mapping[str, Any] | None = None,
) -> FitReport:
    """Run a learner's fit plan.

    Args:
        learner: changed in place.
        train: training items; labels index the learner's classes.
        val: validation items, needed by ``select="val"`` and by learners that search.
        bank: where features are kept; None opens the default one.
        views: for learners that read features: K draws among K random views of each image, encoded once; 0 uses the
            evaluation transform alone; ``"online"`` encodes a fresh random view in every step.
        select: keep the ``last`` epoch, or the best on ``val`` (the earliest of equals).
        seed: order of the items and draws of views follow from it.
        trainer: options for ``lightning.Trainer`` (callbacks, logger, max_time, precision, ...).

    Raises:
        ValueError: for options that can't be; the message says which.
        FloatingPointError: if the loss is no number any more.
    """
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
    bank = bank or FeatureBank()
    plan = learner.fit_plan()
    if not plan:
        return FitReport((), "nothing is trained")
    curve: list[EpochRecord] = []
    kept = []
    for stage in plan:
        if isinstance(stage, ClosedFormStage):
            _solve(learner, stage, train, val, bank, views)
            continue
        loader, encode = _loader(learner, stage, train, bank, views, seed)
        validate = _validator(learner, val, bank) if select == "val" and val is not None else None
        module = StageModule(learner, stage, loader, encode=encode, validate=validate)
        _run(module, stage, options)
        curve += module.curve
        kept.append(module.best_epoch)
    epochs = ", ".join(f"epoch {epoch}" for epoch in kept if epoch is not None)
    return FitReport(tuple(curve), f"best on validation images ({epochs})" if select == "val" else "last epoch")


def _run(module: StageModule, stage: GradientStage, options: Mapping[str, Any]) -> None:
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
            trainer.fit(module, train_dataloaders=module.loader)
        except SystemExit:  # what Lightning makes of Ctrl-C; callers of a library expect the interrupt itself
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            module.learner.to(device)  # Lightning takes its module back to the CPU
    if not module.curve:
        raise ValueError(f"stage {stage.name!r} trained nothing: the trainer's options leave no epoch to run")


def _loader(
    learner: PromptLearner, stage: GradientStage, train: Items, bank: FeatureBank, views: Views, seed: int
) -> tuple[EpochLoader, Callable[[Tensor], Tensor] | None]:
    """The stage's batches, and what still encodes them."""
    common: dict[str, Any] = {"batch_size": stage.optim.batch_size, "seed": seed, "stage": stage.name}
    if learner.needs == "features" and views != "online":
        features = bank.features(learner.clip, train, views=views).to(learner.clip.device)
        return FeatureLoader(features, torch.from_numpy(train.labels).to(features.device), **common), None
    transform = require_preprocess(learner.clip) if views == 0 else training_transform(learner.clip)
    loader = ImageLoader(ImageDataset(train, transform, seed=stream_seed(seed, stage.name)), **common)
    return loader, learner.clip.encode_images if learner.needs == "features" else None


def _solve(
    learner: PromptLearner, stage: ClosedFormStage, train: Items, val: Items | None, bank: FeatureBank, views: Views
) -> None:
    if views == "online" or learner.needs == "images":
        raise ValueError(f"stage {stage.name!r} solves for all features at once: give a number of views, not 'online'")
    features = bank.features(learner.clip, train, views=views).to(learner.clip.device)
    features = features.unsqueeze(1) if features.ndim == 2 else features  # (N, K, D)
    labels = torch.from_numpy(train.labels).to(features.device)
    everything = Batch(features.transpose(0, 1).flatten(0, 1), labels.repeat(features.shape[1]))
    held_out = None
    if val is not None and len(val):
        val_labels = torch.from_numpy(val.labels).to(features.device)
        held_out = Batch(bank.features(learner.clip, val).to(features.device), val_labels)
    with torch.no_grad():
        stage.solve(everything, held_out)


def _validator(learner: PromptLearner, val: Items, bank: FeatureBank) -> Callable[[], float]:
    def accuracy() -> float:
        score = evaluate(learner, val, bank).top1
        learner.train()
        return score

    return accuracy


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
