"""Fitting a learner: its stages in order, on features that are encoded once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge

from promptlab.config.trainer import check_options
from promptlab.data.amounts import Scale, Seed, Views, Workers
from promptlab.data.items import Items
from promptlab.data.pictures.reading import reading_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.balance import NO_BALANCE, Balance, BalanceName
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import ClosedFormStage, GradientStage, Stage, require_validation
from promptlab.learners.base.takes_balance import require_balance
from promptlab.results.calibration import Temperature
from promptlab.results.schema import EpochRecord
from promptlab.support.ranges import checked
from promptlab.support.words import counted
from promptlab.training.curve_log import CurveLog
from promptlab.training.identity import Identity, identity_of
from promptlab.training.resume import Resume
from promptlab.training.stage_data import StageData

log = logging.getLogger(__name__)
Selection = Literal["last", "val", "test"]


@dataclass(frozen=True)
class FitReport:
    """What a fit leaves besides the learner.

    Args:
        curve: a record per epoch of every gradient stage; where a stage counts steps, per pass over the items.
        selection: which epoch's parameters were kept, in words.
        earlier_seconds: spent by interrupted runs that this one went on from.
        cut_short: in words, each stage that the trainer's options ended early.
        notes: what else a reader of the scores should know, in words.
        temperature: of the run that it is part of, None without a calibration.
    """

    curve: tuple[EpochRecord, ...]
    selection: str
    earlier_seconds: float = 0.0
    cut_short: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    temperature: Temperature | None = None


@checked()
def fit(
    learner: PromptLearner,
    train: Items,
    *,
    val: Items | None = None,
    unlabelled: Items | None = None,
    bank: FeatureBank | None = None,
    views: Views = 16,
    crop_scale: Scale | None = None,
    select: Selection = "last",
    test_accuracy: Callable[[], float] | None = None,
    seed: Seed = 1,
    trainer: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    ckpt_every_s: Annotated[float, Ge(0)] = 30.0,
    discard_checkpoint: bool = True,
    fit_id: str | None = None,
    balance: BalanceName = "none",
    workers: Workers = 0,
) -> FitReport:
    """Run a learner's fit plan.

    Args:
        learner: changed in place.
        train: training items; labels index the learner's classes.
        val: validation items, needed by ``select="val"`` and by learners that search.
        unlabelled: items for learners that use images without labels; their labels aren't read.
        bank: where features are kept; None opens the default one.
        views: for learners that read features: K draws among K random views of each image, encoded once; 0 uses the
            evaluation transform alone; ``"online"`` encodes a fresh random view in every step.
        crop_scale: smallest and largest share of an image in a random view; the learner's ``crop_scale`` if None.
        select: keep the ``last`` epoch, or the best on ``val``, or by ``test_accuracy`` (the earliest of equals).
        test_accuracy: of the learner as it is, for ``select="test"``, by which some papers' numbers were chosen.
        seed: order of the items and draws of views follow from it.
        trainer: options for ``lightning.Trainer`` (callbacks, logger, max_time, precision, ...); which are taken, and
            what stands in place of the others, is in :mod:`promptlab.config.trainer`.
        checkpoint: file that an interrupted fit goes on from, to equal bits.
        ckpt_every_s: at most one checkpoint in so many seconds, at the end of an epoch.
        discard_checkpoint: delete that file when the fit is done; a caller that has to write down first what was
            learned deletes it afterwards.
        fit_id: what the fit is, if the caller knows: a checkpoint of the same id is gone on with. None compares all
            that the numbers follow from: learner, items, views, seed and the trainer's options.
        balance: what makes up for unequal numbers of training images in a cross-entropy: ``class_weights``, or
            ``logit_adjustment``; see :class:`promptlab.learners.base.balance.Balance`.
        workers: processes that decode and augment pictures ahead of a trainer that needs them, which are started by
            forking; ``"auto"`` takes a processor each and leaves one. Numbers don't follow from how many.

    Raises:
        ValueError: for options that can't be, a balance of a loss that has none, or a search without validation images;
            the message says which.
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
    options = check_options(trainer or {}, device=learner.clip.device.type)
    if select == "val" and (val is None or not len(val)):
        raise ValueError("select='val' needs validation images: give val=few or val=full, or select='last'")
    if (select == "test") != (test_accuracy is not None):
        raise ValueError("select='test' needs test_accuracy, and nothing else takes one")
    scale = crop_scale or learner.crop_scale
    data = StageData(learner, train, val, unlabelled, bank or FeatureBank(), views, scale, seed, workers, test_accuracy)
    plan, learner.reading = learner.fit_plan(), reading_of(train.source).choices
    if not plan:
        return FitReport((), "nothing is trained")
    if val is None or not len(val):
        require_validation(plan, type(learner).__name__)
    for stage in plan:
        data.require(stage, select)
    require_balance(learner, balance)
    notes = tuple(note for stage in plan if (note := _next_to_nothing(stage)) is not None)
    for note in notes:
        log.warning(note)
    notes = (*notes, *learner.notes)
    if learner.uses_unlabelled and unlabelled is not None:
        notes = (*notes, f"{counted(len(unlabelled), 'image')} without labels trained")
    device = learner.clip.device
    learner.train()  # one that was scored before is in eval mode
    path = None if checkpoint is None else Path(checkpoint)
    identity = Identity("") if path is None else identity_of(learner, plan, data, select, options, fit_id, balance)
    resume = Resume(path, ckpt_every_s, identity)
    resume.take_up(learner, plan)
    learner.balance = Balance.of(balance, torch.from_numpy(train.labels).to(device), len(learner.class_names))
    try:
        _run(plan, data, options, resume, select)
    except KeyboardInterrupt:
        resume.explain_interrupt()
        raise
    finally:
        learner.balance = NO_BALANCE
    if discard_checkpoint:
        resume.done()
    progress = resume.progress
    epochs = ", ".join(f"epoch {epoch}" for epoch in progress.kept if epoch is not None)
    chosen = {"val": f"best on validation images ({epochs})", "test": f"best on test images ({epochs})"}
    selection = chosen.get(select, "last epoch") if epochs else "last epoch"
    return FitReport(tuple(progress.curve), selection, progress.seconds, tuple(progress.cut_short), notes)


def _run(plan: Sequence[Stage], data: StageData, options: Mapping[str, Any], resume: Resume, select: Selection) -> None:
    """Run the stages that are left, and keep how far they came."""
    progress, curve_log = resume.progress, CurveLog()
    for index, stage in list(enumerate(plan))[progress.stage :]:
        progress.stage = index
        if isinstance(stage, ClosedFormStage):
            with torch.no_grad():
                stage.solve(*data.everything(stage))
            continue
        from promptlab.training.gradient_stage import run_stage  # Lightning: what no gradient trains goes without

        module = run_stage(stage, data, options, resume, curve_log, data.comparison(stage, select))
        progress.curve += module.curve
        progress.kept.append(module.best_epoch)


def _next_to_nothing(stage: Stage) -> str | None:
    """What to say of a stage that ends while it is warming up, and so learns next to nothing."""
    if not isinstance(stage, GradientStage):
        return None
    optim = stage.optim
    if optim.steps is not None or optim.epochs > optim.warmup_epochs or optim.warmup_lr >= optim.lr:
        return None
    whole = "its only epoch is" if optim.epochs == 1 else f"its {optim.epochs} epochs are all"
    return (
        f"stage {stage.name} learns next to nothing: {whole} warm-up, at a learning rate of {optim.warmup_lr:g}, not "
        f"{optim.lr:g} (optim.warmup_epochs={optim.warmup_epochs}): give it more epochs, or warmup_epochs=0"
    )
