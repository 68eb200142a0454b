"""What a run is, as one typed value: what comes after the check of a configuration reads it, and nothing changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from annotated_types import Ge, Predicate, doc

from promptlab.config.choice import Choice, as_choice
from promptlab.config.trainer import check_options
from promptlab.data.amounts import Scale, Seed, Shots, Views, Workers
from promptlab.support.devices import AUTO, is_device, usable_device
from promptlab.support.errors import UsageError
from promptlab.support.ranges import describe, fits, hints_of, is_path
from promptlab.support.typed_json import PlainError, to_plain
from promptlab.support.words import shown

if TYPE_CHECKING:
    from promptlab.learners.base.facts import LearnerFacts
    from promptlab.learners.base.learner import PromptLearner

_WRITTEN = {"workers": "data.workers"}
"""Settings that a configuration has in another place."""


class ConfigError(UsageError):
    """A configuration that can't be run; the message names the key, what is wrong, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A run.

    Args:
        backbone: makes the frozen CLIP.
        dataset: opens what to train on.
        protocol: draws the Task from it; see :mod:`promptlab.protocols`.
        learner: makes the learner from backbone and class names; its kind is a ``PromptLearner``.
        targets: the other datasets that the protocol scores, if it takes ``targets``.
        shots: training images per class, or ``"all"``.
        seed: of the draw, the initialisation and the order of batches.
        views: random training views per image; 0 for the evaluation transform, ``"online"`` for fresh ones every step,
            which learners that need images have for every other number, unless they say ``keep_states``.
        crop_scale: smallest and largest share of the image in a random view; the learner's own if None.
        val: validation images: ``few`` (min(shots, 4) per class), ``shots`` (as many as train), ``full`` or ``none``;
            ``test`` searches on the first evaluation's test images, as some authors' code does: what is found so is
            marked ``selected_on_test``.
        select: which epoch to keep: ``last``, or the best on ``val``; ``test`` keeps the best on the first evaluation's
            test images, as some authors' code does: its Results are marked ``selected_on_test``.
        balance: what makes up for unequal numbers of training images in a learner's cross-entropy: ``class_weights``,
            ``logit_adjustment`` or ``none``.
        calibration: ``temperature`` fits one on validation images, or without any on held-out folds of the training
            images; ``none`` leaves probabilities as they are.
        trainer: options of ``lightning.Trainer``; see :mod:`promptlab.config.trainer`.
        logger: makes a Lightning logger, or None.
        keep: what is kept of each test image: its five best classes (``top5``), or all its ``logits`` besides.
        ckpt_every_s: at most one checkpoint in so many seconds.
        results: folder that results go to.
        force: run again what is finished.
        workers: processes that decode pictures beside training; numbers don't follow from it, and no Result keeps it.

    Raises:
        ConfigError: for a value out of range, or one that a Result can't hold, naming the key and what is allowed.

    Example:
        >>> from promptlab.clip import load_clip
        >>> from promptlab.demo import demo_dataset
        >>> from promptlab.learners import CoOp
        >>> from promptlab.protocols import few_shot
        >>> demo = Choice(load_clip, {"name": "demo"}), Choice(demo_dataset, {"name": "demo_shapes"})
        >>> Settings(backbone=demo[0], dataset=demo[1], protocol=Choice(few_shot), learner=Choice(CoOp)).shots
        16
    """

    backbone: Choice
    dataset: Choice
    protocol: Choice
    learner: Choice
    targets: tuple[Choice, ...] | None = None
    shots: Shots = 16
    seed: Seed = 1
    views: Views = 16
    crop_scale: Scale | None = None
    val: Literal["few", "shots", "full", "none", "test"] = "few"
    select: Literal["last", "val", "test"] = "last"
    balance: Literal["none", "class_weights", "logit_adjustment"] = "none"
    calibration: Literal["none", "temperature"] = "none"
    trainer: Mapping[str, Any] = field(default_factory=dict)
    logger: Choice | None = None
    keep: Literal["top5", "logits"] = "top5"
    ckpt_every_s: Annotated[float, Ge(0)] = 30.0
    results: Annotated[str | Path, Predicate(is_path), doc("a folder")] = "results"
    force: bool = False
    workers: Workers = "auto"

    def __post_init__(self) -> None:
        refuse_values({key: getattr(self, key) for key in hints_of(Settings)})
        if self.crop_scale is not None:
            object.__setattr__(self, "crop_scale", tuple(self.crop_scale))  # YAML holds lists
            if self.crop_scale[0] > self.crop_scale[1]:
                raise ConfigError(f"crop_scale={list(self.crop_scale)}: the smallest share comes first")
        if self.select == "val" and self.val == "none":
            raise ConfigError("select=val needs validation images: give val=few or val=full")
        if self.select == "val" and self.val == "test":
            raise ConfigError("select=val val=test chooses the epoch on test images: say select=test")
        self._check_trainer()
        keeps = self.learner.arguments.get("keep_states") is not None
        if self.learner_facts.needs == "images" and self.views != 0 and not keeps:
            # what such a learner does with any number of views, and what its Result says
            object.__setattr__(self, "views", "online")
        try:
            to_plain(self.as_document())
        except PlainError as error:
            raise ConfigError(f"these settings can't be kept in a Result: {error}") from error

    def _check_trainer(self) -> None:
        if not isinstance(self.trainer, Mapping):
            raise ConfigError(f"trainer={self.trainer}: options as trainer.KEY=VALUE are needed")
        device = self._device_type()
        try:
            check_options(self.trainer, device=device, in_run=True)
        except ValueError as error:
            raise ConfigError(f"trainer.{error}") from error

    def _device_type(self) -> str | None:
        """What kind of device the backbone will be on; None where its arguments don't say."""
        device = self.backbone.arguments.get("device")
        if device is None or not is_device(device):
            return None
        if device != AUTO:
            return str(device).split(":")[0]
        try:
            return usable_device(device).type
        except ValueError as error:
            raise ConfigError(str(error)) from error

    @property
    def learner_class(self) -> type[PromptLearner]:
        """The learner's class, whose attributes are facts of the method."""
        return cast("type[PromptLearner]", self.learner.kind)

    @property
    def view_scale(self) -> tuple[float, float]:
        """Smallest and largest share of the image in a random view: what is set, else the learner's own."""
        return self.crop_scale or self.learner_facts.crop_scale

    @property
    def learner_facts(self) -> LearnerFacts:
        """What follows from the learner's class, and from that of a learner inside it, before one is built."""
        return _facts_of(self.learner)

    def as_document(self) -> dict[str, Any]:
        """The settings as plain values, as a Result keeps them."""
        protocol = self.protocol.as_node()
        if self.targets:
            protocol["targets"] = [{"name": target.label, **target.as_node()} for target in self.targets]
        return {
            "backbone": self.backbone.as_node(),
            "dataset": self.dataset.as_node(),
            "protocol": protocol,
            "learner": self.learner.as_node(),
            "logger": {} if self.logger is None else self.logger.as_node(),
            "trainer": dict(self.trainer),
            "shots": self.shots,
            "seed": self.seed,
            "views": self.views,
            "crop_scale": list(self.view_scale),
            "val": self.val,
            "select": self.select,
            "balance": self.balance,
            "calibration": self.calibration,
            "keep": self.keep,
            "ckpt_every_s": float(self.ckpt_every_s),
            "results": str(self.results),
            "force": self.force,
        }


def refuse_values(values: Mapping[str, Any]) -> None:
    """Check the values of some settings by what :class:`Settings` declares; others are passed over.

    Raises:
        ConfigError: naming the key, its value, and what is needed.

    Example:
        >>> refuse_values({"seed": "a"})
        Traceback (most recent call last):
        promptlab.config.settings.ConfigError: seed='a': a whole number from 0 to 4,294,967,295 is needed
    """
    for key, hint in hints_of(Settings).items():
        if key in values and not fits(values[key], hint):
            raise ConfigError(f"{_WRITTEN.get(key, key)}={shown(values[key])}: {describe(hint)} is needed")


def _facts_of(learner: Choice) -> LearnerFacts:
    """What the classes of a learner and of those inside it say.

    Raises:
        ConfigError: if one of them is no class of learners, or can't be around the other.
    """
    choices = {key: choice for key, value in learner.arguments.items() if (choice := as_choice(value)) is not None}
    inside = [choice for key, choice in choices.items() if key == "inner" or hasattr(choice.kind, "facts")]
    if not hasattr(learner.kind, "facts"):
        raise ConfigError(f"{learner.path} is no learner: a class derived from PromptLearner is needed")
    try:
        facts: LearnerFacts = learner.kind.facts(_facts_of(inside[0]) if inside else None)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"learner: {error}") from error
    return facts
