"""A run's parts, what its fit reported and what was scored, as a Result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from promptlab.config.settings import Settings
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.marks import marks_of
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.protocols.task import Task
from promptlab.results import provenance
from promptlab.results.document import Result
from promptlab.results.harmonic import harmonic_of
from promptlab.results.open_world import OpenWorldResult
from promptlab.results.schema import EvaluationResult, Harmonic, Seconds, SeenUnseenCurve, TrainedParameters
from promptlab.runs.earlier import Earlier
from promptlab.runs.facts import Fit
from promptlab.runs.open_world import joined
from promptlab.runs.parts import Parts
from promptlab.saved.card import LEARNED_NAME
from promptlab.support.clock import Clock
from promptlab.support.machine import peak_gpu_bytes, peak_memory_bytes
from promptlab.training.fit import FitReport

PHASES = ("load", "features", "fit", "evaluate")

Scores = Mapping[str, EvaluationResult]


@dataclass(frozen=True)
class Joint:
    """What several evaluations say together; None where the protocol asks for nothing, or nothing is there yet."""

    seen_unseen: SeenUnseenCurve | None = None
    open_world: OpenWorldResult | None = None


def new_document(
    parts: Parts,
    fit: Fit,
    learner: PromptLearner,
    report: FitReport,
    scores: Scores,
    joint: Joint,
    clock: Clock,
    folder: Path,
) -> Result:
    """The document of a run that trained, and wrote what it learned into its folder."""
    settings, task = parts.settings, parts.task
    plan = learner.fit_plan()
    return Result(
        created=provenance.utc_now(),
        protocol=task.protocol,
        dataset=task.dataset,
        learner=settings.learner.label,
        backbone=parts.clip.name,
        fit_id=fit.id,
        fit=fit.facts,
        config={**settings.as_document(), "views": parts.views},
        seed=settings.seed,
        shots=settings.shots,
        views=parts.views,
        epochs={
            stage.name: sum(point.stage == stage.name for point in report.curve)
            for stage in plan
            if isinstance(stage, GradientStage)
        },
        selection=report.selection,
        train_images=len(parts.train),
        val_images=0 if parts.val is None else len(parts.val),
        evaluations=dict(scores),
        harmonic=_harmonic(scores, task),
        seen_unseen=joint.seen_unseen,
        learning_curve=report.curve,
        trained_parameters=_trained(learner),
        seconds=Seconds(**{**clock.seconds, "fit": clock.seconds["fit"] + report.earlier_seconds}),
        peak_memory_bytes_of_process=peak_memory_bytes(),
        peak_memory_bytes_of_gpu=peak_gpu_bytes(parts.clip.device),
        learned_bytes=(folder / LEARNED_NAME).stat().st_size,
        versions=provenance.versions(),
        git=provenance.own_commit(),
        host=provenance.host(str(parts.clip.device)),
        notes=(*task.notes, *report.cut_short, *report.notes),
        marks=marks_of(learner, selected_on_test=any(_chosen_on_test(stage, settings) for stage in plan)),
        open_world=joint.open_world,
        temperature=report.temperature,
        class_images=tuple(np.bincount(parts.train.labels, minlength=len(parts.known)).tolist()),
    )


def continued_document(parts: Parts, earlier: Earlier, scores: Scores, joint: Joint, clock: Clock) -> Result:
    """The document of a run that took its fit over from an earlier one, whose curve, selection and scores stay."""
    before, task = earlier.result, parts.task
    evaluations = {**before.evaluations, **scores}
    return replace(
        before,
        created=provenance.utc_now(),
        config=_with_targets(before.config, parts.settings.as_document()),
        evaluations=evaluations,
        harmonic=_harmonic(evaluations, task),
        seconds=replace(before.seconds, evaluate=before.seconds.evaluate + clock.seconds["evaluate"]),
        seen_unseen=joint.seen_unseen or before.seen_unseen,
        open_world=joined(before.open_world, joint.open_world),
        notes=tuple(dict.fromkeys([*before.notes, *task.notes])),
    )


def _with_targets(earlier: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the fit, with the targets of all evaluations, and what is kept of them now."""
    named = {
        target["name"]: target for config in (earlier, settings) for target in config["protocol"].get("targets") or ()
    }
    protocol = {**earlier["protocol"], **settings["protocol"]} | ({"targets": list(named.values())} if named else {})
    return {**earlier, "keep": settings["keep"], "protocol": protocol}


def _harmonic(evaluations: Scores, task: Task) -> Harmonic | None:
    """H, once both evaluations are there."""
    scored = task.harmonic is not None and set(task.harmonic) <= evaluations.keys()
    return harmonic_of(evaluations, task.harmonic, task.metric) if scored else None


def _trained(learner: PromptLearner) -> TrainedParameters:
    shapes = {name: tuple(tensor.shape) for name, tensor in learner.learned_tensors().items()}
    trained = {id(tensor): tensor.numel() for stage in learner.fit_plan() for tensor in _trained_by(stage)}
    return TrainedParameters(count=sum(trained.values()), shapes=shapes)


def _chosen_on_test(stage: Stage, settings: Settings) -> bool:
    """Whether test images chose a stage's epoch, or what it searched."""
    if isinstance(stage, GradientStage):
        return settings.select == "test" and stage.chosen_by == "accuracy"
    return settings.val == "test" and bool(stage.searches)


def _trained_by(stage: Stage) -> Sequence[Tensor]:
    return stage.parameters if isinstance(stage, GradientStage) else stage.trains
