"""One set of scores as a file of its own, with a checksum: what the cache keeps of zero-shot CLIP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from promptlab.results.possible import impossible_metrics
from promptlab.results.schema import Metrics
from promptlab.support.checksums import DamageError, sealed, unsealed
from promptlab.support.files import write_text_atomic
from promptlab.support.paths import cache_dir
from promptlab.support.typed_json import from_plain, render, to_plain


def kept_folder() -> Path:
    """Where they are kept."""
    return cache_dir() / "zero_shot"


def kept_scores() -> list[Path]:
    """The files of what is kept."""
    return sorted(kept_folder().glob("*.json"))


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write scores, atomically.

    Raises:
        OSError: if they can't be written.
    """
    write_text_atomic(path, render(sealed(cast(dict[str, Any], to_plain(metrics)))) + "\n")


def read_metrics(path: Path) -> Metrics:
    """Read scores.

    Raises:
        OSError: if there is no such file, or it can't be read.
        ValueError: if it is damaged, or holds what can't be.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise DamageError(str(error)) from error
    if not isinstance(document, dict):
        raise DamageError(f"expected an object, got a {type(document).__name__}")
    metrics = from_plain(Metrics, unsealed(document))
    if (fault := impossible_metrics(metrics)) is not None:
        raise DamageError(fault)
    return metrics
