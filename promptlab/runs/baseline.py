"""Zero-shot CLIP's scores, made once for each backbone, template and evaluation, and kept in the cache folder."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import fields
from pathlib import Path

from promptlab.clip.frozen import FrozenCLIP
from promptlab.evaluation.evaluate import evaluate
from promptlab.features.bank import FeatureBank
from promptlab.learners.zero_shot import ZeroShot
from promptlab.protocols.task import EvaluationSet
from promptlab.results.ids import EvalFacts, canonical_json
from promptlab.results.kept_scores import kept_folder, read_metrics, write_metrics
from promptlab.results.schema import Metrics

log = logging.getLogger(__name__)
_FORMAT = 2
"""Raised whenever the same facts would give other scores, or what is kept is written otherwise."""


def zero_shot_scores(
    clip: FrozenCLIP, evaluation: EvaluationSet, facts: EvalFacts, bank: FeatureBank, *, anew: bool = False
) -> Metrics:
    """What zero-shot CLIP scores on an evaluation set under the dataset's hand-written prompt.

    Args:
        clip: the backbone.
        evaluation: what is scored.
        facts: all that the score depends on besides the backbone.
        bank: where features are.
        anew: score again what is kept.
    """
    path = _path(clip, facts)
    kept = None if anew else _read(path)
    if kept is not None:
        return kept
    zero_shot = ZeroShot(clip, evaluation.class_names, template=evaluation.template)
    metrics = evaluate(zero_shot, evaluation.items, bank)
    try:
        write_metrics(path, metrics)
    except OSError as error:  # a full or read-only disk costs time, no run
        log.info("zero-shot scores can't be kept: %s", error)
    return metrics


def _path(clip: FrozenCLIP, facts: EvalFacts) -> Path:
    scored = sorted(field.name for field in fields(Metrics))  # of a metric that came later nothing is kept
    key = [_FORMAT, scored, clip.fingerprint, clip.device.type, facts]
    digest = hashlib.sha256(canonical_json(key).encode("ascii")).hexdigest()[:32]
    return kept_folder() / f"{digest}.json"


def _read(path: Path) -> Metrics | None:
    try:
        return read_metrics(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s can't be read, zero-shot CLIP is scored again: %s", path, error)
        return None
