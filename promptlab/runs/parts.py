"""What a run is about: a task, a backbone, and the learner's place between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.build import NAMES_FOR_PEOPLE, factory, target_of
from promptlab.config.schema import ConfigError
from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows
from promptlab.learners.base.learner import PromptLearner
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.runs import session
from promptlab.support.errors import DatasetError
from promptlab.support.signatures import accepted
from promptlab.support.streams import stream


@dataclass(frozen=True)
class Subject:
    """The parts that a run's ids follow from.

    Args:
        settings: the resolved configuration.
        clip: the frozen backbone.
        task: what trains and what is scored.
        known: the task's classes that the learner is built over, as indices into ``task.class_names``.
        train: training items; labels index ``known``.
        val: validation items, labelled likewise, or None.
    """

    settings: Mapping[str, Any]
    clip: FrozenCLIP
    task: Task
    known: tuple[int, ...]
    train: Items
    val: Items | None


def bind(learner: PromptLearner, known: tuple[int, ...], evaluation: EvaluationSet) -> PromptLearner | str:
    """The learner for an evaluation's label space, or the reason why it can't score it."""
    position = {label: place for place, label in enumerate(known)}
    own = None if evaluation.known is None else [position.get(label) for label in evaluation.known]
    if own is not None and None not in own:
        return learner.select([place for place in own if place is not None])
    if learner.open_vocabulary and own is not None:
        return learner.extend(evaluation.class_names, evaluation.template, own)
    if learner.open_vocabulary:
        return learner.rebind(evaluation.class_names, evaluation.template)
    return f"{type(learner).__name__} can't score classes it has no training images of"


def subject_of(settings: Mapping[str, Any]) -> Subject:
    """Open the dataset, draw the task, load the backbone.

    Raises:
        ConfigError: if the settings don't fit each other.
        DatasetError: if the images can't be used as they are.
    """
    dataset = session.dataset(settings["dataset"])
    protocol = factory(settings["protocol"], "protocol", drop=(*NAMES_FOR_PEOPLE, "targets"))
    targets = settings["protocol"].get("targets")
    others = {} if targets is None else {"targets": [session.dataset(node) for node in targets]}
    task: Task = protocol(dataset, shots=settings["shots"], seed=settings["seed"], val=settings["val"], **others)
    if settings["views"] == "online" and isinstance(dataset.train.source, FeatureRows):
        raise ConfigError(f"views=online: {dataset.name} holds features, there are no images to encode anew")
    if isinstance(dataset.train.source, FeatureRows):
        settings = {**settings, "views": 0}  # given features have no views
    chooser = _chooser(settings)
    if chooser and task.val is not None:
        _require_untested(chooser, task, dataset.val_is_test)
    elif chooser and settings["val"] != "none":
        raise ConfigError(
            f"{chooser} chooses on validation images, and {dataset.name} has none: use select=last, with the learner's "
            "search off (learner.search=false, or a value for learner.c)"
        )
    for evaluation in task.evaluations:
        if not len(evaluation.items):
            raise DatasetError(f"{evaluation.dataset} has no test images for {evaluation.name!r}: nothing to score")
    learner = target_of(settings["learner"], "learner")
    classes = range(len(task.class_names))
    known = tuple(label for label in classes if task.has_images[label] or learner.uses_new_names)
    val = None if task.val is None else task.val.of_classes(known)
    clip = session.backbone(settings["backbone"])
    return Subject(settings, clip, task, known, task.train.of_classes(known), val)


def _chooser(settings: Mapping[str, Any]) -> str | None:
    """What chooses something on the validation images: the selection of the epoch, or a learner that searches."""
    node = settings["learner"]
    nodes = [node, *(value for value in node.values() if isinstance(value, Mapping) and value.get("_partial_"))]
    searching = [target_of(node, "learner").__name__ for node in nodes if target_of(node, "learner").searches]
    return "select=val" if settings["select"] == "val" else next(iter(searching), None)


def _require_untested(chooser: str, task: Task, val_is_test: bool) -> None:
    """Nothing is chosen on tested images.

    Raises:
        ConfigError: if validation images are among the test images.
    """
    assert task.val is not None
    tested = {content for evaluation in task.evaluations for content in evaluation.items.content_ids()}
    if val_is_test or tested.intersection(task.val.content_ids()):
        raise ConfigError(
            f"{chooser} chooses on validation images, and those of {task.dataset} are among its test images: use "
            "select=last and val=none, with the learner's search off"
        )


def learner_of(subject: Subject) -> PromptLearner:
    """A fresh learner over the known classes; it is offered what its signature takes of the task's facts."""
    node = subject.settings["learner"]
    offers = {
        "template": subject.task.template,
        "has_images": [subject.task.has_images[label] for label in subject.known],
        "generator": stream(subject.settings["seed"], "initialisation"),
    }
    offers = {key: value for key, value in offers.items() if node.get(key) is None}
    names = [subject.task.class_names[label] for label in subject.known]
    made: PromptLearner = factory(node, "learner", drop=NAMES_FOR_PEOPLE)(
        subject.clip, names, **accepted(target_of(node, "learner"), offers)
    )
    return made


def require_scorable(learner: PromptLearner, subject: Subject) -> None:
    """Refuse a run before training if none of its evaluations could be scored.

    Raises:
        ConfigError: with the reason.
    """
    bound = [bind(learner, subject.known, evaluation) for evaluation in subject.task.evaluations]
    reasons = [reason for reason in bound if isinstance(reason, str)]
    if len(reasons) == len(bound):
        raise ConfigError(f"nothing of this run could be scored: {reasons[0]}")
