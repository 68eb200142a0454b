"""Target datasets by name: what ``protocol.targets=[eurosat,dtd]`` means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from promptlab.config.choice import Choice
from promptlab.config.choices import choice_of
from promptlab.config.settings import ConfigError
from promptlab.results.store import safe_name
from promptlab.support.paths import conf_dir
from promptlab.support.words import first_line, shown, suggest


def targets_of(names: Any, cfg: DictConfig, folders: Sequence[Path] = ()) -> tuple[Choice, ...] | None:
    """The target datasets of a protocol; None where none are named.

    Args:
        names: each a name of the group ``dataset``, or a node with ``_target_`` and ``name``.
        cfg: the run's configuration, for what the nodes refer to (``${data.root}``).
        folders: configuration folders besides promptlab's own, of plug-ins.

    Raises:
        ConfigError: if there is no such dataset, a node names none, or ``names`` is no list.
    """
    if names is None:
        return None
    if not isinstance(names, list):
        raise ConfigError(f"protocol.targets={names}: a list of names is needed, protocol.targets=[{names}]")
    return tuple(_target(name, cfg, folders) for name in names)


def _target(target: Any, cfg: DictConfig, folders: Sequence[Path]) -> Choice:
    if isinstance(target, str):
        loaded = _loaded(_file(target, [*folders, *_folders_of_hydra(), conf_dir()]))
    elif isinstance(target, dict):
        loaded = OmegaConf.create(target)
    else:
        raise ConfigError(f"protocol.targets: {shown(target)} is no name of `promptlab list datasets`")
    holder = OmegaConf.create({"data": cfg.data, "dataset": loaded})
    resolved: Any = OmegaConf.to_container(holder, resolve=True)
    node: dict[str, Any] = resolved["dataset"]
    if not isinstance(node.get("name"), str):
        raise ConfigError(f"protocol.targets: {target!r} has no name; give names of `promptlab list datasets`")
    try:
        safe_name(node["name"])  # its predictions will be a file of that name
    except ValueError as error:
        raise ConfigError(f"protocol.targets: {error}") from error
    return choice_of(node, f"protocol.targets: {node['name']}", named=False)


def _loaded(file: Path) -> Any:
    try:
        return OmegaConf.load(file)
    except Exception as error:  # besides their own, OmegaConf lets through what YAML and Python raise
        raise ConfigError(f"protocol.targets: {file} can't be read: {first_line(error)}") from error


def _file(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        path = folder / "dataset" / f"{name}.yaml"
        if path.is_file():
            return path
    known = sorted({path.stem for folder in folders for path in (folder / "dataset").glob("*.yaml")})
    raise ConfigError(f"protocol.targets: unknown dataset {name}{suggest(name, known)}; allowed are {', '.join(known)}")


def _folders_of_hydra() -> Iterator[Path]:
    """Folders that a running job was given with ``--config-dir``."""
    if HydraConfig.initialized():
        for source in HydraConfig.get().runtime.config_sources:
            if source.schema == "file":
                yield Path(source.path)
