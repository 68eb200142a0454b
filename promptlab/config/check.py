"""A composed configuration to Settings, checked as far as that is possible without loading or opening anything."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from promptlab.class_text.templates import template_of
from promptlab.config.choice import Choice
from promptlab.config.choices import choice_of, imported_target, rehearse
from promptlab.config.compose import resolved
from promptlab.config.groups import GIVEN
from promptlab.config.names import usual_name
from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import ConfigError, Settings
from promptlab.config.targets import targets_of
from promptlab.config.trackers import require_tracker
from promptlab.learners.base.offers import OFFERED
from promptlab.results.store import safe_name
from promptlab.support.signatures import signature_of

_TYPED = ("shots", "seed", "views", "crop_scale", "val", "select", "balance", "calibration", "keep", "ckpt_every_s",
          "results", "force")  # fmt: skip
_GIVEN_TO_LEARNER = ("clip", "class_names", *OFFERED)
_GIVEN_TO_INNER = ("clip", "class_names", "has_images", "generator")


def check(cfg: DictConfig, folders: Sequence[Path] = ()) -> Settings:
    """The settings that a composed configuration means.

    Args:
        cfg: a composed :class:`promptlab.config.schema.Config`.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    for key in (*_TYPED, *OPEN_GROUPS):
        if key not in cfg.keys():  # noqa: SIM118 - what is ??? is no key to OmegaConf's own word for it
            raise ConfigError(f"{key} is missing: leave out ~{key}")
    nodes = resolved(cfg)
    typed: dict[str, Any] = {key: nodes[key] for key in _TYPED}
    return Settings(
        learner=_learner(nodes["learner"]),
        backbone=choice_of(nodes["backbone"], "backbone", named=False),
        dataset=_dataset(nodes["dataset"]),
        targets=targets_of(nodes["protocol"].get("targets"), cfg, folders),
        protocol=_protocol(nodes["protocol"]),
        logger=require_tracker(choice_of(nodes["logger"], "logger", named=False)) if nodes["logger"] else None,
        trainer=nodes["trainer"] or {},
        workers=nodes["data"]["workers"],
        **typed,
    )


def _learner(node: Mapping[str, Any]) -> Choice:
    from promptlab.learners.base.learner import PromptLearner

    kind = imported_target(node, "learner")
    if not (inspect.isclass(kind) and issubclass(kind, PromptLearner)):
        raise ConfigError(f"learner._target_={node['_target_']}: a PromptLearner is needed")
    choice = _named_choice(node, "learner", given=_GIVEN_TO_LEARNER)
    for key, inner in choice.arguments.items():
        taken = [name for name in _GIVEN_TO_INNER if isinstance(inner, Choice) and name in inner.arguments]
        if taken:
            raise ConfigError(f"learner.{key}.{taken[0]} is given by the run itself: leave it out")
    return choice


def _dataset(node: Mapping[str, Any]) -> Choice:
    """The dataset, with a name that a folder can have and a template that a class name fits into."""
    choice = choice_of(node, "dataset", named=False)
    for key, refuse in (("name", safe_name), ("template", template_of)):
        if choice.arguments.get(key):
            try:
                refuse(choice.arguments[key])
            except ValueError as error:
                raise ConfigError(f"dataset.{key}: {error}") from error
    return choice


def _protocol(node: Mapping[str, Any]) -> Choice:
    """The protocol without its targets, which are choices of their own."""
    kind = imported_target(node, "protocol")
    if kind.__module__.startswith("promptlab.") and node.get("name") != usual_name(kind):
        raise ConfigError(
            f"protocol.name={node.get('name')}: recipes go by this name, which is {usual_name(kind)} here: leave it out"
        )
    takes_targets = "targets" in signature_of(kind)
    return _named_choice(node, "protocol", given=GIVEN["protocol"], drop=("targets",) if takes_targets else ())


def _named_choice(node: Mapping[str, Any], group: str, *, given: Collection[str], drop: Collection[str] = ()) -> Choice:
    """A node whose name goes into the results folder, and that is given some arguments by the run itself."""
    taken = [key for key in given if key in node]
    if taken:
        instead = "set dataset.template" if taken[0] == "template" else "leave it out"
        raise ConfigError(f"{group}.{taken[0]} is given by the run itself: {instead}")
    if not isinstance(node.get("name"), str):
        raise ConfigError(f"{group}.name={node.get('name')}: a name for the results folder is needed")
    try:
        safe_name(node["name"])
    except ValueError as error:
        raise ConfigError(f"{group}.name: {error}") from error
    return rehearse(choice_of(node, group, drop=drop, named=True), group)
