"""The training of a run: its images encoded, its learner fitted, what was learned written down."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from promptlab.data.sources.files import check_images
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.document import Result
from promptlab.results.store import RESUME_NAME
from promptlab.runs.earlier import Earlier
from promptlab.runs.facts import Fit
from promptlab.runs.parts import Parts
from promptlab.saved.card import CardError, TrainingCard
from promptlab.saved.save import save_run, save_run_card, training_of
from promptlab.support.random_streams import stream_seed
from promptlab.training.fit import FitReport, fit

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

log = logging.getLogger(__name__)


def encode_images(parts: Parts, bank: FeatureBank) -> None:
    """Fill the bank, so that training and scoring find every feature there."""
    settings, task, learner = parts.settings, parts.task, parts.settings.learner_facts
    for dataset, items in [(e.dataset, e.items) for e in task.evaluations] + [(task.dataset, parts.train)]:
        bank.note(dataset, items)
    if parts.val is not None:
        bank.note(task.dataset, parts.val)
    for evaluation in task.evaluations:
        bank.features(parts.clip, evaluation.items, kind=learner.reads, normalised=learner.normalised)
    if learner.needs == "features" and parts.views != "online":
        bank.features(
            parts.clip, parts.train, views=parts.views, crop_scale=settings.view_scale, kind=learner.reads,
            normalised=learner.normalised,
        )  # fmt: skip
    else:
        check_images(parts.train, decode=True)  # the bank has not read these: name bad ones before training starts


def fit_or_take_over(
    learner: PromptLearner,
    parts: Parts,
    identity: Fit,
    bank: FeatureBank,
    folder: Path,
    earlier: Earlier | None,
    logger: Logger | None = None,
) -> FitReport | None:
    """Train and write down what was learned, or take over what an earlier run of the same fit learned (None)."""
    if earlier is not None and earlier.learned is not None:
        learner.load_learned(earlier.learned)
        return None
    settings = parts.settings
    options = dict(settings.trainer)
    if logger is not None:
        options["logger"] = logger
    with torch.random.fork_rng(devices=[]):  # for learners that draw from the global state after all
        torch.default_generator.manual_seed(stream_seed(settings.seed, "global"))
        report = fit(
            learner,
            parts.train,
            val=parts.val,
            unlabelled=parts.unlabelled,
            bank=bank,
            views=parts.views,
            crop_scale=settings.view_scale,
            select=settings.select,
            seed=settings.seed,
            trainer=options,
            checkpoint=folder / RESUME_NAME,
            ckpt_every_s=settings.ckpt_every_s,
            discard_checkpoint=False,  # what was learned is not written yet
            fit_id=identity.id,
            workers=settings.workers,
        )
    _keep(folder, learner, parts, identity)
    return report


def describe(learner: PromptLearner, folder: Path, result: Result) -> None:
    """Write the card of what was learned, with the scores that it has now."""
    try:
        save_run_card(learner, folder, training_of(result))
    except CardError as error:
        log.info("%s can't be read by load_learner: %s", folder, error)


def _keep(folder: Path, learner: PromptLearner, parts: Parts, identity: Fit) -> None:
    """Write what was learned, so that :func:`promptlab.load_learner` reads the run's folder."""
    training = TrainingCard(
        dataset=parts.task.dataset,
        protocol=parts.task.protocol,
        shots=parts.settings.shots,
        seed=parts.settings.seed,
        views=parts.views,
        train_images=len(parts.train),
        fit_id=identity.id,
    )
    try:
        save_run(learner, folder, training)
    except CardError as error:
        log.warning("%s can't be read by load_learner, its tensors alone are kept: %s", folder, error)
