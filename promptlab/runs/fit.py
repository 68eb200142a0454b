"""The training of a run: its images encoded, its learner fitted, what was learned written down."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from promptlab.config.settings import ConfigError
from promptlab.data.items import Items
from promptlab.data.sources.files import check_images
from promptlab.evaluation.evaluate import evaluate
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.document import Result
from promptlab.results.store import RESUME_NAME
from promptlab.runs.earlier import Earlier
from promptlab.runs.facts import Fit
from promptlab.runs.parts import Parts, bind
from promptlab.runs.temperature import chosen_temperature, decision_of
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
    for dataset, items in [*task.tested, (task.dataset, parts.train)]:
        bank.note(dataset, items)
    if parts.val is not None:
        bank.note(task.dataset, parts.val)
    for _, items in task.tested:
        bank.features(parts.clip, items, kind=learner.reads, normalised=learner.normalised)
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
    settings = parts.settings
    if earlier is not None and earlier.learned is not None:
        take_over(learner, earlier)
        return None
    report = _fit(
        learner,
        parts,
        parts.train,
        bank,
        val=parts.val,
        select=settings.select,
        test_accuracy=partial(_test_accuracy, learner, parts, bank) if settings.select == "test" else None,
        trainer={**settings.trainer, **({} if logger is None else {"logger": logger})},
        checkpoint=folder / RESUME_NAME,
        ckpt_every_s=settings.ckpt_every_s,
        discard_checkpoint=False,  # what was learned is not written yet
        fit_id=identity.id,
    )
    if settings.calibration == "temperature":
        temperature = chosen_temperature(learner, parts, bank, partial(_refit, parts, bank))
        learner.decision = decision_of(temperature)
        report = replace(report, temperature=temperature)
    _keep(folder, learner, parts, identity)
    return report


def _test_accuracy(learner: PromptLearner, parts: Parts, bank: FeatureBank) -> float:
    """On the images of the first evaluation, among its classes."""
    first = parts.task.evaluations[0]
    bound = bind(learner, parts, first)
    if isinstance(bound, str):
        raise ConfigError(f"select=test: {bound}")
    return evaluate(bound, first.items, bank).top1


def take_over(learner: PromptLearner, earlier: Earlier) -> PromptLearner:
    """The learner with what an earlier run of the same fit learned, the temperature too."""
    assert earlier.learned is not None
    learner.load_learned(earlier.learned)
    if earlier.result.temperature is not None:
        learner.decision = decision_of(earlier.result.temperature)
    return learner


def _refit(parts: Parts, bank: FeatureBank, learner: PromptLearner, train: Items) -> None:
    """Train a learner on some of the training images, without validation images."""
    _fit(learner, parts, train, bank, trainer=dict(parts.settings.trainer))


def _fit(learner: PromptLearner, parts: Parts, train: Items, bank: FeatureBank, **more: Any) -> FitReport:
    """Train as the settings say."""
    settings = parts.settings
    with torch.random.fork_rng(devices=[]):  # for learners that draw from the global state after all
        torch.default_generator.manual_seed(stream_seed(settings.seed, "global"))
        return fit(
            learner,
            train,
            unlabelled=parts.unlabelled,
            bank=bank,
            views=parts.views,
            crop_scale=settings.view_scale,
            seed=settings.seed,
            workers=settings.workers,
            balance=settings.balance,
            **more,
        )


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
