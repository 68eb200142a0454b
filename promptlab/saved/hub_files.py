"""A repository of the Hugging Face hub: what may name one, and its files as the hub's client keeps them here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def is_repo(name: str) -> bool:
    """Whether a repository of the hub can have this name, ``organisation/name``.

    Example:
        >>> is_repo("me/my-pictures"), is_repo("me"), is_repo("results/a/b")
        (True, False, False)
    """
    return _REPO.fullmatch(name) is not None


def fetched(repo: str, files: Sequence[str], revision: str | None = None) -> Path:
    """Where the hub's files are kept on this machine; its client's bars are left out, as learners are small.

    Args:
        repo: ``organisation/name``.
        files: those that are wanted.
        revision: branch, tag or commit; the main branch if None.
    """
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=list(files)))
    finally:
        if shown:
            enable_progress_bars()
