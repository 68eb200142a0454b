"""One run: build, fit, evaluate, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, open_dict

from promptlab.config.build import factory, target_of
from promptlab.config.check import check_config
from promptlab.config.schema import ConfigError
from promptlab.data.sources.files import check_images
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.document import Result
from promptlab.results.schema import SeenUnseenCurve
from promptlab.results.store import RESULT_NAME, UNFINISHED_NAME, lock, run_dir, write_result
from promptlab.runs import record, session
from promptlab.runs.parts import Subject, bind, learner_of, require_scorable, subject_of
from promptlab.runs.score import Scored, score, seen_unseen_curve
from promptlab.support.streams import stream_seed
from promptlab.training.fit import FitReport, fit

log = logging.getLogger(__name__)
RESUME_NAME = "resume.ckpt"


@dataclass(frozen=True)
class Outcome:
    """A run's Result, the folder it is in, and whether it was computed now or found finished."""

    result: Result
    folder: Path
    fresh: bool


def run(cfg: DictConfig) -> Outcome:
    """Build, fit, evaluate, write; or find that all of it is finished.

    Args:
        cfg: a composed :class:`promptlab.config.schema.Config`.

    Raises:
        ConfigError: if the configuration can't be run; before any model loads.
        DatasetError: if the images can't be used as they are.
    """
    settings = check_config(cfg)
    beforehand = _bias_chosen_beforehand(cfg) if settings["protocol"].get("calibrate") else None
    clock = record.Clock()
    with clock.phase("load"):
        subject = subject_of(settings)
        bank = session.feature_bank()
        facts = record.fit_facts(subject)
        targets = record.eval_facts(subject, facts)
        folder = run_dir(
            settings["results"], subject.task.dataset, subject.task.protocol, settings["learner"]["name"], facts.id
        )
    found = None if settings["force"] else _found(folder, targets, beforehand)
    if found is not None:
        return found
    learner = learner_of(subject)
    require_scorable(learner, subject)
    with lock(folder):  # the same fit may be at work in another process: what it did isn't done again
        return _finish(_Job(subject, bank, facts, targets, folder, clock), learner, beforehand)


@dataclass(frozen=True)
class _Job:
    """A run that is told from all others."""

    subject: Subject
    bank: FeatureBank
    facts: record.Identified
    targets: tuple[record.Target, ...]
    folder: Path
    clock: record.Clock


def _found(folder: Path, targets: Sequence[record.Target], beforehand: tuple[float, str] | None) -> Outcome | None:
    """The Outcome of an earlier run, if nothing of it is missing."""
    finished = record.finished(folder, targets)
    if finished is None or not finished.complete or not _has_bias(finished.result, beforehand):
        return None
    return Outcome(finished.result, folder, fresh=False)


def _finish(job: _Job, learner: PromptLearner, beforehand: tuple[float, str] | None) -> Outcome:
    """Fit, evaluate and write what isn't there yet."""
    subject, bank, facts, folder, clock = job.subject, job.bank, job.facts, job.folder, job.clock
    settings, targets = subject.settings, job.targets
    if settings["force"]:  # a kill must not leave an old Result beside newer tensors
        for name in (RESULT_NAME, UNFINISHED_NAME, RESUME_NAME):
            (folder / name).unlink(missing_ok=True)
    found = _found(folder, targets, beforehand)
    if found is not None:
        return found
    finished = record.finished(folder, targets)
    with clock.phase("features"):
        _encode(subject, bank)
    with clock.phase("fit"):
        report = _fit(learner, subject, facts, bank, folder, finished)
    scored: dict[str, Scored] = {}

    def document(curve: SeenUnseenCurve | None = None) -> Result:
        scores = {name: part.result for name, part in scored.items()}
        return record.result(subject, facts, learner, report, scores, curve, clock, finished)

    with clock.phase("evaluate"):
        done = finished.scored if report is None and finished is not None and not subject.task.seen_unseen else ()
        for evaluation, target in zip(subject.task.evaluations, targets, strict=True):
            if evaluation.name not in done:
                write_result(folder, document(), UNFINISHED_NAME)  # a kill loses the evaluation that runs, no more
                (folder / RESUME_NAME).unlink(missing_ok=True)
                scorer = bind(learner, subject.known, evaluation)
                scored[evaluation.name] = score(scorer, evaluation, target, subject.clip, bank, folder)
        development = settings["protocol"].get("split") == "development"
        curve = seen_unseen_curve(subject.task, scored, development=development, beforehand=beforehand)
    result = document(curve)
    write_result(folder, result)
    (folder / UNFINISHED_NAME).unlink(missing_ok=True)
    return Outcome(result, folder, fresh=True)


def _bias_chosen_beforehand(cfg: DictConfig) -> tuple[float, str]:
    """The bias between seen and unseen classes that the same run chooses on the development split, and its fit's id."""
    development = cfg.copy()
    with open_dict(development):
        development.protocol.update(calibrate=False, split="development")
    result = run(development).result
    if result.seen_unseen is None or result.seen_unseen.best_bias is None:
        raise ConfigError(
            "protocol.calibrate=true: on the development split H is 0 under every bias, so none can be chosen; use "
            "protocol.calibrate=false"
        )
    return result.seen_unseen.best_bias, result.fit_id


def _has_bias(result: Result, wanted: tuple[float, str] | None) -> bool:
    if wanted is None:
        return True
    found = None if result.seen_unseen is None else result.seen_unseen.calibration
    return found is not None and (found.bias, found.fit_id) == wanted


def _encode(subject: Subject, bank: FeatureBank) -> None:
    """Fill the bank, so that training and scoring find every feature there."""
    views = subject.settings["views"]
    learner = target_of(subject.settings["learner"], "learner")
    for evaluation in subject.task.evaluations:
        bank.features(subject.clip, evaluation.items)
    if learner.needs == "features" and views != "online":
        bank.features(subject.clip, subject.train, views=views, crop_scale=tuple(subject.settings["crop_scale"]))
    else:
        check_images(subject.train, decode=True)  # the bank has not read these: name bad ones before training starts


def _fit(
    learner: PromptLearner,
    subject: Subject,
    facts: record.Identified,
    bank: FeatureBank,
    folder: Path,
    finished: record.Finished | None,
) -> FitReport | None:
    """Train, or take over what an earlier run of the same fit learned (None)."""
    if finished is not None and finished.learned is not None:
        learner.load_learned(finished.learned)
        return None
    settings = subject.settings
    options = dict(settings["trainer"])
    if settings["logger"]:
        options["logger"] = factory(settings["logger"], "logger")()
    with torch.random.fork_rng(devices=[]):  # for learners that draw from the global state after all
        torch.default_generator.manual_seed(stream_seed(settings["seed"], "global"))
        report = fit(
            learner,
            subject.train,
            val=subject.val,
            bank=bank,
            views=settings["views"],
            crop_scale=tuple(settings["crop_scale"]),
            select=settings["select"],
            seed=settings["seed"],
            trainer=options,
            checkpoint=folder / RESUME_NAME,
            ckpt_every_s=settings["ckpt_every_s"],
            discard_checkpoint=False,  # what was learned is not written yet
            fit_id=facts.id,
        )
    record.keep_learned(folder, learner, subject, facts)
    return report
