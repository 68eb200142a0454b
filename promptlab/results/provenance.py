"""Where numbers come from: package versions, the commit, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from promptlab.results.schema import GitCommit, Host
from promptlab.support.devices import device_text
from promptlab.support.machine import usable_cpus
from promptlab.support.version import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "safetensors",
    "numpy",
    "pillow",
    "scipy",
)
_GIT_SECONDS = 10


def versions() -> dict[str, str]:
    """Package name to its version, promptlab first; packages that aren't installed are left out."""
    return {"promptlab": __version__, **_installed()}


@cache
def _installed() -> dict[str, str]:
    """What is installed besides, read once a process: each package's whole description is parsed for its version."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def own_commit() -> GitCommit | None:
    """The commit of the checkout that this process runs from, as it stands when it is first asked for.

    What is committed or edited afterwards isn't what the process has imported.
    """
    return git_commit()


def git_commit(checkout: str | Path | None = None) -> GitCommit | None:
    """The commit of the checkout that promptlab runs from.

    Args:
        checkout: the checkout's root; by default the folder that holds the ``promptlab`` package.

    Returns:
        None where that folder isn't the root of a git checkout (a wheel in somebody else's repository), where there is
        no commit yet, and where git isn't installed.
    """
    root = Path(checkout) if checkout is not None else Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # a folder, or a file in a worktree
        return None
    commit, status = _git(root, "rev-parse", "--verify", "HEAD"), _git(root, "status", "--porcelain")
    return GitCommit(commit=commit.strip(), dirty=bool(status)) if commit and status is not None else None


def host(device: str = "cpu") -> Host:
    """The machine, as seen by this process.

    Args:
        device: the device that computed; accelerators are described by their names.
    """
    import torch

    return Host(
        platform=platform.platform(),
        python=platform.python_version(),
        cpu_count=usable_cpus(),
        torch_threads=torch.get_num_threads(),
        device=device_text(device),
    )


def utc_now() -> str:
    """The time in UTC as ISO 8601 to the second, e.g. ``2026-01-31T12:00:00+00:00``."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(root: Path, *arguments: str) -> str | None:
    # A git hook's GIT_DIR would point these commands at another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
