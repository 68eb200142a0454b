"""Checking a configuration as far as that is possible without loading a backbone or opening a dataset."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from promptlab.config.build import NAMES_FOR_PEOPLE, check, factory, suggest, target_of
from promptlab.config.schema import ConfigError, check_choices
from promptlab.config.targets import target_node
from promptlab.support.signatures import signature_of

GIVEN_TO_PROTOCOL = ("dataset", "shots", "seed", "val")
GIVEN_TO_LEARNER = ("clip", "class_names", "generator", "template")


def check_config(cfg: DictConfig, folders: Sequence[Path] = ()) -> dict[str, Any]:
    """The resolved configuration, checked as far as that is possible without loading anything.

    Args:
        cfg: a composed configuration.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    check_choices(cfg)
    try:
        settings: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except Exception as error:
        raise ConfigError(f"the configuration can't be resolved: {error}") from error
    learner = target_of(settings["learner"], "learner")
    from promptlab.learners.base.learner import PromptLearner

    if not (inspect.isclass(learner) and issubclass(learner, PromptLearner)):
        raise ConfigError(f"learner._target_={settings['learner']['_target_']}: a PromptLearner is needed")
    if learner.needs == "images" and settings["views"] != 0:
        settings["views"] = "online"  # what such a learner does with any number of views, and what its Result says
    settings["crop_scale"] = list(settings["crop_scale"] or learner.crop_scale)
    for group in ("backbone", "dataset"):
        check(settings[group], group)
    if "targets" in settings["protocol"]:
        targets = settings["protocol"]["targets"] or []
        if not isinstance(targets, list):
            raise ConfigError(f"protocol.targets={targets}: a list of names is needed, protocol.targets=[{targets}]")
        settings["protocol"]["targets"] = [target_node(name, cfg, folders) for name in targets]
        for node in settings["protocol"]["targets"]:
            check(node, f"protocol.targets: {node['name']}")
    for group, given in (("protocol", GIVEN_TO_PROTOCOL), ("learner", GIVEN_TO_LEARNER)):
        node = settings[group]
        taken = [key for key in given if key in node]
        if taken:
            instead = "set dataset.template" if taken[0] == "template" else "leave it out"
            raise ConfigError(f"{group}.{taken[0]} is given by the run itself: {instead}")
        if not isinstance(node.get("name"), str):
            raise ConfigError(f"{group}.name={node.get('name')}: a name for the results folder is needed")
        factory(node, group, drop=(*NAMES_FOR_PEOPLE, "targets"))  # makes inner nodes too
    if settings["logger"]:
        check(settings["logger"], "logger")
    _check_trainer(settings["trainer"])
    return dict(settings)


def _check_trainer(options: dict[str, Any]) -> None:
    import lightning

    allowed = signature_of(lightning.Trainer)
    for key in options:
        if key not in allowed:
            raise ConfigError(f"unknown key trainer.{key}{suggest(key, allowed)}; lightning.Trainer takes: "
                              f"{', '.join(allowed)}")  # fmt: skip
        if key in ("max_epochs", "min_epochs"):
            raise ConfigError(f"trainer.{key}: epochs belong to the learner (learner.optim.epochs)")
