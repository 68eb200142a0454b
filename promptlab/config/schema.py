"""The typed core of the configuration, its checks, and the resolvers that recipes use.

``backbone``, ``dataset``, ``protocol``, ``learner`` and ``logger`` are open: each names its ``_target_``, and its keys
are checked against that target's signature (:mod:`promptlab.config.build`), those of ``trainer`` against Lightning's.
All else is typed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from promptlab.config.recipes import (
    coop_epochs,
    coop_recipe,
    kgcoop_template,
    maple_depth,
    maple_recipe,
    protocol_shots,
    protocol_targets,
)
from promptlab.support.errors import UsageError

OPEN_GROUPS = ("backbone", "dataset", "protocol", "learner", "logger", "trainer")


@dataclass
class DataConfig:
    """Where images lie.

    Attributes:
        root: folder with one folder per dataset, as CoOp lays them out.
    """

    root: str = "data"


@dataclass
class Config:
    """A run.

    Attributes:
        backbone: the frozen CLIP; arguments of :func:`promptlab.load_clip`.
        dataset: what to train on.
        protocol: what trains and what is scored.
        learner: the method and its hyper-parameters.
        logger: a Lightning logger, or nothing.
        trainer: options of ``lightning.Trainer``.
        data: where images lie.
        shots: training images per class, or ``all``.
        seed: of the draw, the initialisation and the order of batches.
        views: random training views per image; 0 for the evaluation transform, ``online`` for fresh ones every step.
        crop_scale: smallest and largest share of the image in a random view; the learner's own if null.
        val: validation images: ``few`` (min(shots, 4) per class), ``full`` or ``none``.
        select: which epoch to keep: ``last``, or the best on ``val``.
        ckpt_every_s: at most one checkpoint in so many seconds; an interrupted run goes on from its last one.
        results: folder that results go to.
        force: run again what is finished.
    """

    backbone: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    learner: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    data: DataConfig = field(default_factory=DataConfig)
    shots: int | str = 16
    seed: int = 1
    views: int | str = 16
    crop_scale: list[float] | None = None
    val: str = "few"
    select: str = "last"
    ckpt_every_s: float = 30.0
    results: str = "results"
    force: bool = False


class ConfigError(UsageError):
    """A configuration that can't be run; the message names the key, what is wrong, and what is allowed."""


def register() -> None:
    """Make the schema and the resolvers known to Hydra; safe to repeat."""
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("protocol_shots", protocol_shots, replace=True)
    OmegaConf.register_new_resolver("protocol_targets", protocol_targets, replace=True)
    OmegaConf.register_new_resolver("coop_epochs", coop_epochs, replace=True)
    OmegaConf.register_new_resolver("coop_recipe", coop_recipe, replace=True)
    OmegaConf.register_new_resolver("kgcoop_template", kgcoop_template, replace=True)
    OmegaConf.register_new_resolver("maple_depth", maple_depth, replace=True)
    OmegaConf.register_new_resolver("maple_recipe", maple_recipe, replace=True)


def check_choices(cfg: DictConfig) -> None:
    """Check the values that types can't.

    Raises:
        ConfigError: naming the key and what is allowed.
    """
    if not (cfg.shots == "all" or (isinstance(cfg.shots, int) and cfg.shots >= 1)):
        raise ConfigError(f"shots={cfg.shots}: a number from 1, or 'all', is needed")
    if not (cfg.views == "online" or (isinstance(cfg.views, int) and cfg.views >= 0)):
        raise ConfigError(f"views={cfg.views}: a number from 0, or 'online', is needed")
    scale = cfg.crop_scale
    if scale is not None and not (len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1):
        raise ConfigError(f"crop_scale={list(scale)}: [smallest, largest] share of the area is needed, 0 < both <= 1")
    for key, allowed in (("val", ("few", "full", "none")), ("select", ("last", "val"))):
        if cfg[key] not in allowed:
            raise ConfigError(f"{key}={cfg[key]}: allowed are {', '.join(allowed)}")
    if cfg.select == "val" and cfg.val == "none":
        raise ConfigError("select=val needs validation images: give val=few or val=full")


register()
