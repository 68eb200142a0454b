"""What a run is made of: its task, its backbone, and the learner's place between them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.settings import ConfigError, Settings
from promptlab.data.amounts import Views
from promptlab.data.items import Dataset, Items
from promptlab.data.pictures.reading import reading_of
from promptlab.data.readers.tested import with_test
from promptlab.data.sources.features import FeatureRows
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.offers import Offers
from promptlab.learners.base.stages import require_validation
from promptlab.learners.base.takes_balance import require_balance
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.runs import session
from promptlab.support.errors import DatasetError, PromptlabError
from promptlab.support.random_streams import stream
from promptlab.support.signatures import signature_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts that a run's ids follow from.

    Args:
        settings: what the run is.
        dataset: what it trains on.
        targets: the other datasets that it scores, as they are scored.
        clip: the frozen backbone.
        task: what trains and what is scored.
        known: the task's classes that the learner is built over, as indices into ``task.class_names``.
        train: training items; labels index ``known``.
        val: validation items, labelled likewise, or None.
        unlabelled: images for learners that use some without labels, None for all others.
        views: as the settings say, 0 where features are given.
    """

    settings: Settings
    dataset: Dataset
    targets: tuple[Dataset, ...]
    clip: FrozenCLIP
    task: Task
    known: tuple[int, ...]
    train: Items
    val: Items | None
    unlabelled: Items | None
    views: Views

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the known classes."""
        return tuple(self.task.class_names[label] for label in self.known)

    @property
    def has_images(self) -> tuple[bool, ...]:
        """For each known class, whether it has training images."""
        return tuple(self.task.has_images[label] for label in self.known)


def open_parts(settings: Settings) -> Parts:
    """Open the dataset, draw the task, load the backbone.

    Raises:
        ConfigError: if the settings don't fit each other.
        DatasetError: if the images can't be used as they are.
    """
    dataset = session.dataset(settings.dataset)
    targets = open_targets(settings)
    task = _task(settings, dataset, targets)
    given = isinstance(dataset.train.source, FeatureRows)
    if given and settings.views == "online":
        raise ConfigError(f"views=online: {dataset.name} holds features, there are no images to encode anew")
    _require_untested_choices(settings, task, dataset)
    if "test" in (settings.select, settings.val) and not task.evaluations:
        raise ConfigError(f"select=test and val=test choose on test images, and {dataset.name} has none")
    for evaluation in task.evaluations:
        if not len(evaluation.items):
            raise DatasetError(f"{evaluation.dataset} has no test images for {evaluation.name!r}: nothing to score")
    all_known = settings.learner_facts.uses_new_names or not any(task.has_images)
    known = tuple(label for label in range(len(task.class_names)) if task.has_images[label] or all_known)
    return Parts(
        settings=settings,
        dataset=dataset,
        targets=targets,
        clip=session.backbone(settings.backbone),
        task=task,
        known=known,
        train=task.train.of_classes(known),
        val=_chosen_on(task, settings, known),
        unlabelled=_untested(dataset.train, task) if settings.learner_facts.uses_unlabelled else None,
        views=0 if given else settings.views,
    )


def open_targets(settings: Settings) -> tuple[Dataset, ...]:
    """The datasets that are scored besides, whole where nobody but a draw says what is tested."""
    opened = (session.dataset(target) for target in settings.targets or ())
    return tuple(with_test(target, "all") if target.drawn else target for target in opened)


def _task(settings: Settings, dataset: Dataset, targets: Sequence[Dataset]) -> Task:
    also = {}
    wanted = signature_of(settings.protocol.kind).get("targets")
    if settings.targets is not None or (wanted is not None and wanted.default is wanted.empty):
        also["targets"] = targets
    val = "none" if settings.val == "test" else settings.val
    task: Task = settings.protocol.make(dataset, shots=settings.shots, seed=settings.seed, val=val, **also)
    return task


def _chosen_on(task: Task, settings: Settings, known: Sequence[int]) -> Items | None:
    """The validation images, or as the settings say the first evaluation's test images; labels index the known classes.

    Raises:
        ConfigError: if they are of classes that aren't known.
    """
    if settings.val != "test":
        return None if task.val is None else task.val.of_classes(known)
    first, places = task.evaluations[0], {label: place for place, label in enumerate(known)}
    own = [places.get(label) for label in first.known or ()]
    if not own or None in own:
        raise ConfigError(f"val=test: {first.name!r} tests classes that nothing is trained of")
    return replace(first.items, labels=np.asarray(own, dtype=np.int64)[first.items.labels])


def _require_untested_choices(settings: Settings, task: Task, dataset: Dataset) -> None:
    """Nothing is chosen on tested images, and what is chosen has images to be chosen on.

    Raises:
        ConfigError: naming what chooses.
    """
    chooser = "select=val" if settings.select == "val" else settings.learner_facts.chooser
    if chooser is None or not len(task.train):
        return
    if task.val is None:
        if settings.val in ("none", "test"):
            return
        raise ConfigError(
            f"{chooser} chooses on validation images, and {dataset.name} has none: use select=last, with the learner's "
            "search off (learner.search=false, or a value for learner.c)"
        )
    if any_tested(task.val, task, dataset):
        raise ConfigError(
            f"{chooser} chooses on validation images, and those of {task.dataset} are among its test images: use "
            "select=last and val=none, with the learner's search off"
        )


def any_tested(items: Items, task: Task, dataset: Dataset) -> bool:
    """Whether an evaluation tests one of the images, or the dataset says so of its validation images."""
    tested = {content for _, of_test in task.tested for content in of_test.content_ids()}
    if dataset.val_is_test:
        tested.update(dataset.val.content_ids())
    return not tested.isdisjoint(items.content_ids())


def _untested(items: Items, task: Task) -> Items:
    """The items whose images no evaluation tests."""
    tested = {content for _, tested_items in task.tested for content in tested_items.content_ids()}
    return items.take([place for place, content in enumerate(items.content_ids()) if content not in tested])


def build_learner(parts: Parts) -> PromptLearner:
    """A fresh learner over the known classes; it is offered what its constructor takes of the task's facts.

    Raises:
        ConfigError: if the learner can't be made for this task.
    """
    offers = Offers(
        template=parts.task.template,
        has_images=parts.has_images,
        generator=stream(parts.settings.seed, "initialisation"),
    )
    factory = parts.settings.learner.factory()
    try:
        made: PromptLearner = factory(parts.clip, parts.class_names, **offers.to(factory))
    except PromptlabError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error
    made.reading = reading_of(parts.dataset.train.source).choices
    return made


def bind(learner: PromptLearner, parts: Parts, evaluation: EvaluationSet) -> PromptLearner | str:
    """The learner for an evaluation's label space and images, or the reason why it can't score them."""
    position = {label: place for place, label in enumerate(parts.known)}
    own = None if evaluation.known is None else [position.get(label) for label in evaluation.known]
    if own is not None and None not in own:
        bound = learner.select([place for place in own if place is not None])
    elif not learner.open_vocabulary:
        return f"{type(learner).__name__} can't score classes it has no training images of"
    elif own is not None:
        bound = learner.extend(evaluation.class_names, evaluation.template, own)
    else:
        bound = learner.rebind(evaluation.class_names, evaluation.template)
    return bound.tested_on(evaluation.dataset, parts.task.dataset)


def require_scorable(learner: PromptLearner, parts: Parts) -> None:
    """Refuse a run before training if it has nothing to train on, or none of its evaluations could be scored.

    Raises:
        DatasetError: if the learner trains, and there are no training images.
        ConfigError: with the reason.
        UsageError: for a balance of a loss that has none, or a search on validation images where there are none.
    """
    require_balance(learner, parts.settings.balance)
    plan, source = learner.fit_plan(), parts.dataset
    trains = bool(plan)
    if trains and not len(parts.train):
        raise _nothing_to_train_on(source)
    if parts.val is None or not len(parts.val):
        require_validation(plan, type(learner).__name__)
    if not trains and not parts.task.evaluations:
        raise DatasetError(f"{source.name} has no test images, and {parts.settings.learner.label} trains nothing")
    bound = [bind(learner, parts, evaluation) for evaluation in parts.task.evaluations]
    reasons = [reason for reason in bound if isinstance(reason, str)]
    if bound and len(reasons) == len(bound):
        raise ConfigError(f"nothing of this run could be scored: {reasons[0]}")


def with_training_notes(learner: PromptLearner, parts: Parts) -> Parts:
    """The parts with what their task says of training images: in the log, or nowhere where nothing trains."""
    task = parts.task
    if learner.fit_plan():
        for note in task.training_notes:
            log.warning("%s: %s", task.dataset, note)
        return parts
    kept = tuple(note for note in task.notes if note not in task.training_notes)
    return replace(parts, task=replace(task, notes=kept, training_notes=()))


def _nothing_to_train_on(dataset: Dataset) -> DatasetError:
    return DatasetError(
        f"{dataset.name} has no training images, all of its {len(dataset.test)} are test images: learner=zero_shot "
        "scores them without training; or train on another dataset, with this one among protocol.targets"
    )
