"""What a fit is: a state kept for resuming is used by the same fit alone."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from promptlab.config.trainer import telling
from promptlab.data.items import Items
from promptlab.features.given import contents_read
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.training.stage_data import StageData

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Identity:
    """What a fit is.

    Args:
        mark: its id, or a digest of all that its numbers follow from.
        given: whether the caller gave that id.
        shapes: of the tensors that the learner starts with.
    """

    mark: str
    given: bool = False
    shapes: Mapping[str, tuple[int, ...]] | None = None

    def noted(self) -> dict[str, Any]:
        """What a state says of its fit."""
        return {"mark": self.mark, "fit_id": self.mark if self.given else None}

    def owns(self, noted: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bool:
        """Whether a state is of this fit.

        States once noted no id, but lay in a folder that is named by it: such a one is this fit's if its tensors are.
        """
        if self.given and "fit_id" not in noted:
            return self._has_shapes(tensors)
        return bool(noted["mark"] == self.mark and (noted.get("fit_id") is not None) == self.given)

    def _has_shapes(self, tensors: Mapping[str, Tensor]) -> bool:
        own = {f"learner.{name}": shape for name, shape in (self.shapes or {}).items()}
        return own.keys() == tensors.keys() and all(
            shape == tensors[name].shape or (0 in shape and shape[1:] == tensors[name].shape[1:])
            for name, shape in own.items()
        )


def identity_of(
    learner: PromptLearner,
    plan: Sequence[Stage],
    data: StageData,
    select: str,
    trainer: Mapping[str, Any],
    fit_id: str | None,
    balance: str = "none",
) -> Identity:
    """What a fit is: by its id if that is known, else by all that its numbers follow from.

    Args:
        learner: before its fit.
        plan: its stages.
        data: its items, views and seed.
        select: which epoch is kept.
        trainer: the trainer's options.
        fit_id: the fit's id, or None.
        balance: of the loss.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in learner.state_dict().items()}
    if fit_id is not None:
        return Identity(fit_id, given=True, shapes=shapes)
    later = () if balance == "none" else (balance,)  # no part of what earlier versions noted
    facts = (
        type(learner).__qualname__,
        learner.version,
        learner.class_names,
        learner.clip.fingerprint,
        _arguments(learner),
        [_stage(stage) for stage in plan],
        shapes,
        (data.views, data.crop_scale, data.seed, select),
        sorted((name, _told(value)) for name, value in telling(trainer).items()),
        [_items(items, learner.normalised) for items in (data.train, data.val, data.unlabelled)],
        *later,
    )
    return Identity(hashlib.sha256(repr(facts).encode()).hexdigest(), shapes=shapes)


def _arguments(learner: PromptLearner) -> list[tuple[str, str]]:
    parameters = inspect.signature(type(learner)).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return sorted((name, _told(value)) for name, value in {**defaults, **learner.arguments}.items())


def _stage(stage: Stage) -> tuple[Any, ...]:
    if not isinstance(stage, GradientStage):
        return (stage.name, stage.uses_unlabelled)
    groups = [(len(group.parameters), group.lr_factor, group.weight_decay) for group in stage.groups]
    views = [_told(view) for view in stage.views]
    weights = None if stage.epoch_weights is None else list(stage.epoch_weights)
    draws = [] if stage.draws == "items" else [stage.draws]  # no part of what earlier versions noted
    return (stage.name, repr(stage.optim), stage.chosen_by, groups, weights, views, stage.uses_unlabelled, *draws)


def _told(value: Any) -> str:
    """A value as text that is equal in another process."""
    if isinstance(value, torch.Generator):
        return f"a generator seeded with {value.initial_seed()}"
    if isinstance(value, Tensor):
        return hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
    return _ADDRESS.sub("", repr(value))


def _items(items: Items | None, normalised: bool) -> tuple[list[str], list[int]] | None:
    return None if items is None else (contents_read(items, normalised), items.labels.tolist())
