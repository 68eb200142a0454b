"""Overrides to a composed configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from promptlab.config import launchers, resolvers, schema
from promptlab.config.explain import explain, explain_reference
from promptlab.config.overrides import parsed_overrides
from promptlab.config.quoting import quoted
from promptlab.config.settings import ConfigError
from promptlab.support.paths import conf_dir

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra  # its public face is the instance of GlobalHydra

ROOT = "config"
"""The configuration that everything begins with."""


def register() -> None:
    """Make the schema, the launchers and the resolvers known to Hydra; safe to repeat."""
    schema.register()
    launchers.register()
    resolvers.register()


@contextmanager
def configurations() -> Iterator[Hydra]:
    """Hydra, with promptlab's folder of configurations."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), job_name="promptlab", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra


def searching(folders: Sequence[Path]) -> list[str]:
    """The override by which Hydra looks into other folders as well; none without any."""
    search = ",".join(quoted(f"file://{folder.absolute()}") for folder in folders)
    return [f"hydra.searchpath=[{search}]"] if folders else []


def composed(overrides: Sequence[str], folders: Sequence[Path] = ()) -> DictConfig:
    """The configuration with these overrides.

    Args:
        overrides: in Hydra's grammar.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: if it can't be composed.
    """
    return without_hydra(composed_to_run(overrides, folders))


def composed_to_run(overrides: Sequence[str], folders: Sequence[Path] = ()) -> DictConfig:
    """As :func:`composed`, with the node ``hydra``, from which Hydra takes what it does around a run."""
    try:
        with configurations():
            return compose(ROOT, [*overrides, *searching(folders)], return_hydra_config=True)
    except Exception as error:  # besides their own, Hydra and OmegaConf let through what YAML and Python raise
        raise ConfigError(explain(error)) from error


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The same configuration, from which Hydra's node is taken."""
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def composed_all(
    runs: Iterable[Sequence[str]], folders: Sequence[Path] = (), made: dict[tuple[str, ...], DictConfig] | None = None
) -> Iterator[DictConfig]:
    """The configurations of many runs, as :func:`composed` gives each.

    Files are read and put together once for each set of chosen ones: what Hydra does with plain values, which it sets
    at the end, is done to a copy.

    Args:
        runs: the overrides of each.
        folders: configuration folders besides promptlab's own.
        made: what an earlier call with the same folders has put together, which this one adds to.

    Raises:
        ConfigError: if one can't be composed.
    """
    made = {} if made is None else made
    for words in runs:
        parsed = parsed_overrides(words)
        values = {one.key_or_group: one.value() for one in parsed if _is_plain(one, folders)}
        same = tuple((one.key_or_group if _is_plain(one, folders) else one.input_line) or "" for one in parsed)
        if same not in made:
            made[same] = composed(words, folders)
        yield _with_values(made[same], values) or composed(words, folders)


def _with_values(cfg: DictConfig, values: Mapping[str, Any]) -> DictConfig | None:
    """A copy with values set; None where one of them can't be, which Hydra has its own words for."""
    cfg = cfg.copy()
    try:
        for key, value in values.items():
            OmegaConf.update(cfg, key, value)
    except OmegaConfBaseException:
        return None
    return cfg


def _is_plain(override: Override, folders: Sequence[Path]) -> bool:
    """Whether an override sets one value, and chooses no file."""
    chooses = any((folder / override.key_or_group).is_dir() for folder in (conf_dir(), *folders))
    simple = not override.is_sweep_override() and not override.is_delete() and override.package is None
    return simple and not chooses and isinstance(override.value(), bool | int | float | str | None)


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
