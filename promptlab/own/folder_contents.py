"""Files beside a saved learner that are of it alone: with another learner in the folder they would be wrong."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from promptlab.own.adapted import ADAPTED_NAME, HELD_OUT, PAGE_NAME
from promptlab.own.added import ADDED_NAME
from promptlab.results.logits import logits_name
from promptlab.results.predictions import predictions_name
from promptlab.saved.card import CARD_NAME, LEARNED_NAME
from promptlab.saved.export import FILES
from promptlab.support.errors import UsageError
from promptlab.support.words import some_of

KEPT = "before-*"
"""Folders that ``add-class`` keeps earlier learners in."""
EXPORTS = (*FILES.values(), "model.onnx.data")
_ADAPTED = (
    CARD_NAME, LEARNED_NAME, ADAPTED_NAME, PAGE_NAME, ADDED_NAME, predictions_name(HELD_OUT), logits_name(HELD_OUT),
)  # fmt: skip


def require_free(folder: Path) -> None:
    """Refuse a folder that holds what an adaptation would not replace.

    Args:
        folder: that ``promptlab adapt`` is to write; missing, empty, or of an earlier adaptation.

    Raises:
        UsageError: naming what is in the way.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: it is a file; a folder is needed")
    others = [path.name for path in sorted(folder.glob("*")) if not _is_one_of(path.name, (*_ADAPTED, *EXPORTS, KEPT))]
    if others:
        raise UsageError(
            f"--out {folder}: it holds {some_of(others, 3)}, which no earlier adaptation left and would not be of the "
            "new learner: name another folder, or take them away"
        )


def clear(folder: Path) -> None:
    """Take away what an earlier adaptation left, but for its card and tensors, which are replaced, and ``before-N``."""
    for name in (*_ADAPTED, *EXPORTS):
        if name not in (CARD_NAME, LEARNED_NAME):
            (folder / name).unlink(missing_ok=True)


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns) or name.startswith(".")
