"""Launchers of sweeps: Hydra's plugins, each with a file of ours in ``conf/hydra/launcher``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from promptlab.config.groups import choices
from promptlab.support.extras import missing_extra
from promptlab.support.machine import usable_cpus

GROUP = "hydra/launcher"
LOCAL = "submitit_local"
_EXTRAS = {"joblib": "sweep", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
_BATCH = "hydra.sweeper.max_batch_size"


def register() -> None:
    """Let our files stand for the plugins' own configurations of the same names; safe to repeat.

    Hydra would check the files against those, which lack keys that the launchers take, and warn that it did.
    """
    Plugins.instance()  # its plugins are found now, and not again
    stored = ConfigStore.instance().repo["hydra"]["launcher"]
    for name in choices(GROUP):
        stored.pop(f"{name}.yaml", None)


def require_launcher(overrides: Sequence[str], folders: Sequence[Path] = ()) -> None:
    """Refuse a launcher whose plugin isn't installed.

    Args:
        overrides: of the command line.
        folders: configuration folders besides promptlab's own.

    Raises:
        UsageError: with the command that installs it.

    Example:
        >>> require_launcher(["hydra/launcher=basic", "seed=1,2"])
    """
    name = _chosen(overrides)
    target = choices(GROUP, folders).get(name, {}).get("_target_", "")
    plugin = ".".join(str(target).split(".")[:2])
    if name in _EXTRAS and not (find_spec("hydra_plugins") and find_spec(plugin)):
        raise missing_extra(_EXTRAS[name], f"{GROUP}={name}", plugin.rpartition(".")[2].replace("_", "-"))


def batches(overrides: Sequence[str]) -> list[str]:
    """What keeps a launcher without a limit of its own from starting more runs at once than there are cores.

    Example:
        >>> batches(["hydra/launcher=joblib"]), batches(["hydra/launcher=submitit_local", "hydra/sweeper=mine"])
        ([], [])
    """
    keys = [word.partition("=")[0].lstrip("+") for word in overrides]
    if _chosen(overrides) != LOCAL or _BATCH in keys or "hydra/sweeper" in keys:
        return []
    return [f"{_BATCH}={usable_cpus()}"]


def _chosen(overrides: Sequence[str]) -> str:
    chosen = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == GROUP]
    return chosen[-1] if chosen else ""
