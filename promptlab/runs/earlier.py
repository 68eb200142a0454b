"""What an earlier run of the same fit left in its folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from promptlab.results.document import Result, ResultError
from promptlab.results.store import RESULT_NAME, UNFINISHED_NAME, read_result
from promptlab.runs.calibrate import Bias, has_bias
from promptlab.runs.facts import Target
from promptlab.saved.card import LEARNED_NAME

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Earlier:
    """An earlier run of the same fit.

    Args:
        result: its document.
        learned: what it learned, None if that is gone.
        scored: names of the evaluations that need not be scored again.
        complete: whether nothing is missing.
    """

    result: Result
    learned: Mapping[str, Tensor] | None
    scored: frozenset[str]
    complete: bool


def find_earlier(folder: Path, targets: Sequence[Target], bias: Bias | None) -> Earlier | None:
    """An earlier run in a folder, if it left a Result that can be read, or one of an unfinished run.

    Args:
        folder: the fit's.
        targets: the evaluations that are wanted.
        bias: what was chosen beforehand, None where nothing is.
    """
    path = next((path for name in (UNFINISHED_NAME, RESULT_NAME) if (path := folder / name).exists()), None)
    if path is None:
        return None
    try:
        result, learned = read_result(path), _read_learned(folder)
    except (ResultError, SafetensorError, OSError, ValueError) as error:
        log.warning("%s can't be read and is computed again: %s", folder, error)
        return None
    scored = frozenset(target.name for target in targets if _is_scored(folder, result, target))
    whole = learned is not None and path.name == RESULT_NAME and len(scored) == len(targets)
    return Earlier(result, learned, scored, complete=whole and has_bias(result, bias))


def _is_scored(folder: Path, earlier: Result, target: Target) -> bool:
    scored = earlier.evaluations.get(target.name)
    if scored is None:
        return False
    if scored.eval_id != target.id:
        log.warning("%s: other images or classes of %s are scored than before, which replaces its scores",
                    folder, target.name)  # fmt: skip
        return False
    return scored.predictions is None or (folder / scored.predictions).exists()


def _read_learned(folder: Path) -> Mapping[str, Tensor] | None:
    from safetensors.torch import load_file

    path = folder / LEARNED_NAME
    return load_file(path) if path.exists() else None
