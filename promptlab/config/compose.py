"""Overrides to a composed configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from promptlab.config import launchers, resolvers, schema
from promptlab.config.explain import explain, explain_reference
from promptlab.config.quoting import quoted
from promptlab.config.settings import ConfigError
from promptlab.support.paths import conf_dir


def register() -> None:
    """Make the schema, the launchers and the resolvers known to Hydra; safe to repeat."""
    schema.register()
    launchers.register()
    resolvers.register()


def composed(overrides: Sequence[str], folders: Sequence[Path] = ()) -> DictConfig:
    """The configuration with these overrides.

    Args:
        overrides: in Hydra's grammar.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: if it can't be composed.
    """
    GlobalHydra.instance().clear()
    search = ",".join(quoted(f"file://{folder.absolute()}") for folder in folders)
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            return compose("config", [*overrides, *([f"hydra.searchpath=[{search}]"] if folders else [])])
    except Exception as error:  # besides their own, Hydra and OmegaConf let through what YAML and Python raise
        raise ConfigError(explain(error)) from error


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """A configuration as plain values, whatever it refers to put in.

    Raises:
        ConfigError: if it refers to what isn't there, or a resolver refuses; in one line.
    """
    try:
        nodes: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except Exception as error:  # whatever a resolver raises
        raise ConfigError(explain_reference(error)) from error
    return dict(nodes)


def node_of(group: str, overrides: Sequence[str], folders: Sequence[Path] = ()) -> dict[str, Any]:
    """One group of the configuration with these overrides, resolved.

    Raises:
        ConfigError: as :func:`composed`.
    """
    return dict(resolved(composed(overrides, folders))[group])


register()  # also in the worker processes of a launcher, which find the configuration composed
