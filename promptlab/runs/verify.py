"""Every file below a folder that numbers come from, checked by its checksum and against the files beside it.

Nothing is changed. It knows results and what runs keep for going on, folders of saved learners, and feature caches.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import numpy as np

from promptlab.features.shard_files import check_shard
from promptlab.features.upkeep import damaged_rows
from promptlab.results.document import NewerResultError, Result, ResultError
from promptlab.results.kept_scores import read_metrics
from promptlab.results.logits import read_logits
from promptlab.results.predictions import predictions_name, read_predictions
from promptlab.results.store import RESULT_NAME, RESUME_NAME, UNFINISHED_NAME, read_result
from promptlab.saved.card import CARD_NAME, LEARNED_NAME, CardError, NewerCardError, read_card
from promptlab.support.archives import check_archive
from promptlab.support.checksums import DamageError
from promptlab.support.tensor_files import check
from promptlab.support.words import counted

State = Literal["sound", "damaged", "missing", "newer", "put aside", "left over"]


@dataclass(frozen=True)
class Checked:
    """What was found of one file.

    Args:
        path: the file, also of one that is missing.
        kind: what it is, in words.
        state: what became of it. ``newer`` files are another promptlab's and can't be judged; ``put aside`` is what a
            run found damaged before, ``left over`` what a killed process was writing.
        why: what is wrong, empty for sound ones.
    """

    path: Path
    kind: str
    state: State
    why: str = ""


def verify(folder: Path) -> list[Checked]:
    """Check every file below a folder that is promptlab's, in the order of their paths.

    Args:
        folder: of results, of saved learners, or the cache.
    """
    checked: list[Checked] = []
    for path in sorted(folder.rglob("*")):
        kind = next((kind for kind in _KINDS if fnmatch(f"{path.parent.name}/{path.name}", kind.pattern)), None)
        if kind is not None:
            checked.append(_checked(path, kind))
            if path.name == RESULT_NAME and checked[-1].state == "sound":
                checked += _missing_beside(path)
    return checked


@dataclass(frozen=True)
class _Kind:
    name: str
    pattern: str
    check: Callable[[Path], None]
    state: State = "sound"


def _checked(path: Path, kind: _Kind) -> Checked:
    try:
        kind.check(path)
    except (NewerResultError, NewerCardError) as error:
        return Checked(path, kind.name, "newer", _without(path, error))
    except (DamageError, ResultError, CardError, sqlite3.DatabaseError, OSError, ValueError) as error:
        return Checked(path, kind.name, "damaged", _without(path, error))
    return Checked(path, kind.name, kind.state)


def _without(path: Path, error: Exception) -> str:
    """A message without the file's name, which stands beside it."""
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ").removeprefix(f"{path.name} ")


def _result(path: Path) -> None:
    read_result(path)


def _card(path: Path) -> None:
    read_card(path)


def _learned(path: Path) -> None:
    data = path.read_bytes()
    header = check(data)
    try:
        card = read_card(path.with_name(CARD_NAME))
    except CardError:  # it has its own line
        card = None
    if card is not None and hashlib.sha256(data).hexdigest() != card.learned_sha256:
        raise DamageError("its bytes are not those that its card names")
    if header.metadata is not None and not header.sealed:
        raise DamageError("it has no checksum: it was changed after it was written")


def _predictions(path: Path) -> None:
    """The file, and the accuracy that the Result beside it says."""
    predictions = read_predictions(path)
    try:
        result = read_result(path.with_name(RESULT_NAME))
    except ResultError:  # not there yet, or with a line of its own
        return
    evaluation = result.evaluations.get(predictions.evaluation)
    if evaluation is None or evaluation.metrics is None:
        return
    if predictions.eval_id != evaluation.eval_id:
        raise DamageError(f"it is of evaluation {predictions.eval_id}, the Result's is {evaluation.eval_id}")
    right = float((predictions.top_ids[:, 0] == predictions.labels).mean())
    if abs(right - evaluation.metrics.top1) > 1e-6:
        raise DamageError(f"{right:.6g} of its predictions are right, the Result says {evaluation.metrics.top1:.6g}")


def _logits(path: Path) -> None:
    """The file, and whether its labels and best classes are those of the predictions beside it."""
    kept = read_logits(path)
    try:
        predictions = read_predictions(path.with_name(predictions_name(kept.evaluation)))
    except ResultError:  # missing or damaged, which has its own line
        return
    if kept.eval_id != predictions.eval_id:
        raise DamageError(f"it is of evaluation {kept.eval_id}, the predictions are of {predictions.eval_id}")
    best = np.take_along_axis(kept.below, predictions.top_ids[:, :1].astype(np.int64), axis=1)
    if not (np.array_equal(kept.labels, predictions.labels) and (best == 0).all()):
        raise DamageError("its labels or best classes are not those of the predictions beside it")


def _resume(path: Path) -> None:
    check_archive(path.read_bytes())


def _kept_scores(path: Path) -> None:
    read_metrics(path)


def _cache(path: Path) -> None:
    rows, damaged = damaged_rows(path)
    if damaged:
        raise DamageError(f"{damaged} of {counted(rows, 'row')} damaged; what is needed of it is encoded again")


def _anything(path: Path) -> None:
    """What is only listed."""


_KINDS = (
    _Kind("put aside", "*.damaged-*", _anything, "put aside"),
    _Kind("temporary file", "*/.*.tmp", _anything, "left over"),
    _Kind("result", f"*/{RESULT_NAME}", _result),
    _Kind("unfinished result", f"*/{UNFINISHED_NAME}", _result),
    _Kind("card", f"*/{CARD_NAME}", _card),
    _Kind("learned tensors", f"*/{LEARNED_NAME}", _learned),
    _Kind("predictions", "*/predictions-*.safetensors", _predictions),
    _Kind("logits", "*/logits-*.safetensors", _logits),
    _Kind("state of a fit", f"*/{RESUME_NAME}", _resume),
    _Kind("zero-shot scores", "zero_shot/*.json", _kept_scores),
    _Kind("shard of features", f"*/{'[0-9a-f]' * 16}-{'[0-9a-f]' * 16}-*.safetensors", check_shard),
    _Kind("feature cache", "*/features.sqlite", _cache),
)


def _missing_beside(path: Path) -> Iterator[Checked]:
    """Files of a run that are gone; a learner that was saved elsewhere with its Result has no predictions."""
    result: Result = read_result(path)
    if path.parent.name != result.fit_id:
        return
    names = {evaluation.predictions: "predictions" for evaluation in result.evaluations.values()}
    logits = {evaluation.logits: "logits" for evaluation in result.evaluations.values()}
    for name, kind in {LEARNED_NAME: "learned tensors", **names, **logits}.items():
        if name is not None and not path.with_name(name).exists():
            yield Checked(path.with_name(name), kind, "missing", "the same command makes it again")
