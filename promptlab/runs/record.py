"""From a run's parts to its Result: facts and ids before it, the document after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from promptlab.config.build import arguments_of, target_of
from promptlab.data.sources.features import FeatureRows
from promptlab.features.transforms import evaluation_transform_id, training_transform
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import GradientStage
from promptlab.protocols.task import Task
from promptlab.results import provenance
from promptlab.results.document import Result, ResultError, harmonic_of
from promptlab.results.ids import EvalFacts, FitFacts, eval_id, fit_id, items_digest
from promptlab.results.schema import EvaluationResult, Harmonic, Seconds, SeenUnseenCurve, TrainedParameters
from promptlab.results.store import RESULT_NAME, UNFINISHED_NAME, read_result
from promptlab.runs.parts import Subject
from promptlab.saved.card import LEARNED_NAME, CardError, TrainingCard
from promptlab.saved.save import save_run
from promptlab.support.machine import peak_memory_bytes
from promptlab.training.fit import FitReport

log = logging.getLogger(__name__)
GIVEN_BY_RUN = ("clip", "class_names", "has_images", "template", "generator")
"""Arguments that a run gives to a learner; its facts hold them under their own names."""
TRAINER_DETAILS = (
    "enable_progress_bar",
    "enable_model_summary",
    "enable_checkpointing",
    "default_root_dir",
    "log_every_n_steps",
    "logger",
    "profiler",
)
"""Options of the trainer that change nothing but what is shown."""


class Clock:
    """Wall-clock seconds by phase."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("load", "features", "fit", "evaluate"), 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what the block takes to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class Identified:
    """A fit's facts and the id that follows."""

    facts: FitFacts
    id: str


@dataclass(frozen=True)
class Target:
    """An evaluation's name, facts and id."""

    name: str
    facts: EvalFacts
    id: str


@dataclass(frozen=True)
class Finished:
    """An earlier run of the same fit: its Result, what it learned, which evaluations are there, and whether all are."""

    result: Result
    learned: Mapping[str, Tensor] | None
    complete: bool
    scored: frozenset[str]


def fit_facts(subject: Subject) -> Identified:
    """What the run's fit is."""
    settings, task = subject.settings, subject.task
    node = settings["learner"]
    trainer = {key: value for key, value in settings["trainer"].items() if key not in TRAINER_DETAILS}
    facts = FitFacts(
        learner=node["_target_"],
        learner_arguments=arguments_of(
            node, "learner", drop=["name", *(key for key in GIVEN_BY_RUN if node.get(key) is None)]
        ),
        learner_version=target_of(node, "learner").version,
        seed=settings["seed"],
        class_names=tuple(task.class_names[label] for label in subject.known),
        has_images=tuple(task.has_images[label] for label in subject.known),
        template=task.template,
        train_digest=items_digest(subject.train.content_ids(), subject.train.labels),
        val_digest=None if subject.val is None else items_digest(subject.val.content_ids(), subject.val.labels),
        views=settings["views"],
        selection=settings["select"],
        trainer=trainer,
        image_transforms=_transforms(subject),
        backbone_fingerprint=subject.clip.fingerprint,
        precision=subject.clip.precision,
    )
    return Identified(facts, fit_id(facts))


def eval_facts(subject: Subject, fit: Identified) -> tuple[Target, ...]:
    """What the run's evaluations are."""
    targets = []
    transform = next(iter(_transforms(subject)), None)
    for evaluation in subject.task.evaluations:
        facts = EvalFacts(
            name=evaluation.name,
            items_digest=items_digest(evaluation.items.content_ids(), evaluation.items.labels),
            class_names=evaluation.class_names,
            template=evaluation.template,
            image_transform=transform,
        )
        targets.append(Target(evaluation.name, facts, eval_id(fit.id, facts)))
    return tuple(targets)


def finished(folder: Path, targets: Sequence[Target]) -> Finished | None:
    """An earlier run in the same folder, if it left a Result that can be read, or one of an unfinished run."""
    path = next((path for name in (UNFINISHED_NAME, RESULT_NAME) if (path := folder / name).exists()), None)
    if path is None:
        return None
    try:
        earlier = read_result(path)
        learned = _read_learned(folder)
    except (ResultError, SafetensorError, OSError, ValueError) as error:
        log.warning("%s can't be read and is computed again: %s", folder, error)
        return None
    scored = frozenset(target.name for target in targets if _is_scored(folder, earlier, target))
    return Finished(
        earlier, learned, learned is not None and path.name == RESULT_NAME and len(scored) == len(targets), scored
    )


def keep_learned(folder: Path, learner: PromptLearner, subject: Subject, fit: Identified) -> None:
    """Write what was learned, so that :func:`promptlab.load_learner` reads the run's folder."""
    settings, task = subject.settings, subject.task
    training = TrainingCard(
        dataset=task.dataset,
        protocol=task.protocol,
        shots=settings["shots"],
        seed=settings["seed"],
        views=settings["views"],
        train_images=len(subject.train),
        fit_id=fit.id,
    )
    try:
        save_run(learner, folder, training)
    except CardError as error:
        log.warning("%s can't be read by load_learner, its tensors alone are kept: %s", folder, error)


def result(
    subject: Subject,
    fit: Identified,
    learner: PromptLearner,
    report: FitReport | None,
    scores: Mapping[str, EvaluationResult],
    curve: SeenUnseenCurve | None,
    clock: Clock,
    earlier: Finished | None,
) -> Result:
    """The run's document. Of a fit taken over from an earlier run, its curve, its selection and its scores stay."""
    settings, task = subject.settings, subject.task
    if earlier is not None and report is None:
        evaluations, seconds = {**earlier.result.evaluations, **scores}, earlier.result.seconds
        return replace(
            earlier.result,
            created=provenance.utc_now(),
            config=_with_targets(earlier.result.config, settings),
            evaluations=evaluations,
            harmonic=_harmonic(evaluations, task),
            seconds=replace(seconds, evaluate=seconds.evaluate + clock.seconds["evaluate"]),
            seen_unseen=curve or earlier.result.seen_unseen,
            notes=tuple(dict.fromkeys([*earlier.result.notes, *task.notes])),
        )
    assert report is not None
    stages = [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]
    return Result(
        created=provenance.utc_now(),
        protocol=task.protocol,
        dataset=task.dataset,
        learner=settings["learner"]["name"],
        backbone=subject.clip.name,
        fit_id=fit.id,
        fit=fit.facts,
        config=settings,
        seed=settings["seed"],
        shots=settings["shots"],
        views=settings["views"],
        epochs={stage.name: sum(point.stage == stage.name for point in report.curve) for stage in stages},
        selection=report.selection,
        train_images=len(subject.train),
        val_images=0 if subject.val is None else len(subject.val),
        evaluations=dict(scores),
        harmonic=_harmonic(scores, task),
        seen_unseen=curve,
        learning_curve=report.curve,
        trained_parameters=_trained(learner),
        seconds=Seconds(**{**clock.seconds, "fit": clock.seconds["fit"] + report.earlier_seconds}),
        peak_memory_bytes_of_process=peak_memory_bytes(),
        versions=provenance.versions(),
        git=provenance.git_commit(),
        host=provenance.host(str(subject.clip.device)),
        notes=(*task.notes, *_cut_short(stages, report)),
    )


def _with_targets(earlier: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the fit, with the targets of all evaluations."""
    named = {
        target["name"]: target for config in (earlier, settings) for target in config["protocol"].get("targets") or ()
    }
    protocol = {**earlier["protocol"], **settings["protocol"]} | ({"targets": list(named.values())} if named else {})
    return {**earlier, "protocol": protocol}


def _harmonic(evaluations: Mapping[str, EvaluationResult], task: Task) -> Harmonic | None:
    """H, once both evaluations are there."""
    scored = task.harmonic is not None and set(task.harmonic) <= evaluations.keys()
    return harmonic_of(evaluations, task.harmonic, task.metric) if scored else None


def _transforms(subject: Subject) -> tuple[str, ...]:
    """Ids of the transforms that images go through, the evaluation's first; none where features are given."""
    if isinstance(subject.train.source, FeatureRows):
        return ()
    own = (evaluation_transform_id(subject.clip),)
    crop_scale = tuple(subject.settings["crop_scale"])
    return own if subject.settings["views"] == 0 else (*own, training_transform(subject.clip, crop_scale).id)


def _cut_short(stages: Sequence[GradientStage], report: FitReport) -> Iterator[str]:
    for stage in stages:
        ran = sum(point.stage == stage.name for point in report.curve)
        if ran < stage.optim.epochs:
            yield f"stage {stage.name} ran {ran} of {stage.optim.epochs} epochs: the trainer's options ended it"


def _is_scored(folder: Path, earlier: Result, target: Target) -> bool:
    scored = earlier.evaluations.get(target.name)
    if scored is None or scored.eval_id != target.id:
        return False
    return scored.predictions is None or (folder / scored.predictions).exists()


def _trained(learner: PromptLearner) -> TrainedParameters:
    tensors = learner.learned_tensors()
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    stages = [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]
    trained = {id(parameter): parameter.numel() for stage in stages for parameter in stage.parameters}
    return TrainedParameters(count=sum(trained.values()), shapes=shapes)


def _read_learned(folder: Path) -> Mapping[str, Tensor] | None:
    from safetensors.torch import load_file

    path = folder / LEARNED_NAME
    return load_file(path) if path.exists() else None
