"""What a run's fit and its evaluations are, and the ids that follow."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlab.class_text.sentences import content_digest
from promptlab.config.choice import Choice, as_choice
from promptlab.config.trainer import telling
from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows
from promptlab.features.given import contents_read
from promptlab.features.transforms import evaluation_transform_id, training_transform
from promptlab.learners.base.offers import OFFERED
from promptlab.learners.base.other_backbone import OtherBackbone
from promptlab.learners.base.saved_learner import SavedLearner
from promptlab.results.ids import EvalFacts, FitFacts, eval_id, fit_id, items_digest
from promptlab.runs.parts import Parts
from promptlab.support.signatures import signature_of


@dataclass(frozen=True)
class Fit:
    """A fit's facts and the id that follows."""

    facts: FitFacts
    id: str


@dataclass(frozen=True)
class Target:
    """An evaluation's name, facts and id."""

    name: str
    facts: EvalFacts
    id: str


def fit_of(parts: Parts) -> Fit:
    """What the run's fit is."""
    settings, task = parts.settings, parts.task
    facts = FitFacts(
        learner=settings.learner.path,
        learner_arguments=arguments_of(_without_offers(settings.learner)),
        learner_version=settings.learner_class.version,
        seed=settings.seed,
        class_names=parts.class_names,
        has_images=parts.has_images,
        template=task.template,
        train_digest=digest(_what_tells(parts), parts),
        val_digest=None if parts.val is None else digest(parts.val, parts),
        unlabelled_digest=None if parts.unlabelled is None else digest(parts.unlabelled, parts),
        views=parts.views,
        selection=settings.select,
        trainer=telling(settings.trainer),
        image_transforms=_transforms(parts),
        backbone_fingerprint=parts.clip.fingerprint,
        precision=parts.clip.precision,
        balance=None if settings.balance == "none" else settings.balance,
        calibration=None if settings.calibration == "none" else settings.calibration,
        tested_digest=digest(task.evaluations[0].items, parts) if settings.select == "test" else None,
    )
    return Fit(facts, fit_id(facts))


def _what_tells(parts: Parts) -> Items:
    """The images that tell a fit from others: those that train, or what is scored first where nothing trains."""
    return parts.train if len(parts.train) else parts.task.evaluations[0].items


def targets_of(parts: Parts, fit: Fit) -> tuple[Target, ...]:
    """What the run's evaluations are, in the task's order."""
    targets = []
    transform = next(iter(_transforms(parts)), None)
    for evaluation in parts.task.evaluations:
        facts = EvalFacts(
            name=evaluation.name,
            items_digest=digest(evaluation.items, parts),
            class_names=evaluation.class_names,
            template=evaluation.template,
            image_transform=transform,
        )
        targets.append(Target(evaluation.name, facts, eval_id(fit.id, facts)))
    return tuple(targets)


def arguments_of(choice: Choice) -> dict[str, Any]:
    """All plain arguments of a choice: those that are set, and defaults for the rest.

    Of an inner learner also which one it is, and its version. What a file holds stands for its path, and nothing for a
    file that isn't given. Arguments that came after ids were fixed (``added_later`` of the class) count where they
    aren't what they were before.
    """
    parameters = signature_of(choice.kind)
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    everything = {key: _plain(value) for key, value in {**defaults, **choice.arguments}.items()}
    for key in getattr(choice.kind, "file_arguments", ()):
        value = everything.pop(key, None)
        if value is not None:
            everything[key] = content_digest(value) if isinstance(value, str) else value
    added_later: Mapping[str, Any] = getattr(choice.kind, "added_later", {})
    return {key: value for key, value in everything.items() if key not in added_later or value != added_later[key]}


def _without_offers(learner: Choice) -> Choice:
    """The learner's choice without what the run gives it, where that isn't set."""
    kept = {key: value for key, value in learner.arguments.items() if not (key in OFFERED and value is None)}
    return dataclasses.replace(learner, arguments=kept)


def _plain(value: Any) -> Any:
    """A choice, or what a caller made in Python, as plain values; choices in lists and mappings as nodes."""
    choice = as_choice(value)
    if choice is not None and choice.kind in (OtherBackbone, SavedLearner):
        value, choice = choice.make(), None
    if isinstance(value, OtherBackbone | SavedLearner):
        return dataclasses.asdict(value.identified())
    if choice is not None and choice.as_factory:
        version = getattr(choice.kind, "version", None)
        return {"_target_": choice.path, "version": version, **arguments_of(choice)}
    if choice is not None:
        return arguments_of(choice)
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return arguments_of(Choice(type(value), fields))
    if isinstance(value, Mapping):
        return {key: _inside(item) for key, item in value.items()}
    return [_inside(item) for item in value] if isinstance(value, list | tuple) else value


def _inside(value: Any) -> Any:
    return value.as_node() if isinstance(value, Choice) else _plain(value)


def digest(items: Items, parts: Parts) -> str:
    """A digest of labelled images by content, as the run reads them."""
    return items_digest(contents_read(items, parts.settings.learner_facts.normalised), items.labels)


def _transforms(parts: Parts) -> tuple[str, ...]:
    """Ids of the transforms that images go through, the evaluation's first; none where features are given."""
    if isinstance(parts.train.source, FeatureRows):
        return ()
    own = (evaluation_transform_id(parts.clip),)
    return own if parts.views == 0 else (*own, training_transform(parts.clip, parts.settings.view_scale).id)
