"""Where promptlab keeps and finds its files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parents[1]


def cache_dir() -> Path:
    """The folder of cached features: ``PROMPTLAB_CACHE``, or the platform's cache folder for promptlab.

    The folder need not exist yet. It should be on a disk of this machine: the database in it is not safe on a
    network file system that several machines write to.
    """
    chosen = os.environ.get("PROMPTLAB_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("promptlab"))


def conf_dir() -> Path:
    """The folder of Hydra groups: ``conf/`` beside the package in a checkout, ``promptlab/conf`` in a wheel.

    Raises:
        FileNotFoundError: if the installation has neither.
    """
    checkout = _PACKAGE.parent
    # Looked at first, so that an editable install never reads a stale copy inside the package.
    in_checkout = (checkout / "pyproject.toml").is_file() and (checkout / "conf").is_dir()
    folder = checkout / "conf" if in_checkout else _PACKAGE / "conf"
    if not folder.is_dir():
        raise FileNotFoundError(f"promptlab's configuration folder is missing: {folder}. Reinstall promptlab.")
    return folder
