"""The typed core of a composed configuration, as Hydra checks it.

``backbone``, ``dataset``, ``protocol``, ``learner`` and ``logger`` are open: each names its ``_target_``, and its keys
are checked against that target's signature (:mod:`promptlab.config.choices`), those of ``trainer`` against Lightning's.
What :class:`promptlab.config.settings.Settings` declares a range of is checked there; all else is typed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

OPEN_GROUPS = ("backbone", "dataset", "protocol", "learner", "logger", "trainer")


@dataclass
class DataConfig:
    """Where images lie.

    Attributes:
        root: folder with one folder per dataset, as CoOp lays them out.
        workers: processes that decode pictures beside training.
    """

    root: str = "data"
    workers: Any = "auto"


@dataclass
class Config:
    """A run; see :class:`promptlab.config.settings.Settings` for what the keys mean."""

    backbone: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    learner: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    data: DataConfig = field(default_factory=DataConfig)
    shots: Any = 16
    seed: Any = 1
    views: Any = 16
    crop_scale: Any = None
    val: Any = "few"
    select: Any = "last"
    balance: Any = "none"
    calibration: Any = "none"
    keep: Any = "top5"
    ckpt_every_s: Any = 30.0
    results: str = "results"
    force: Any = False


def register() -> None:
    """Make the schema known to Hydra; safe to repeat."""
    ConfigStore.instance().store(name="schema", node=Config)
