"""What a fit is and what an evaluation is, as explicit lists, and the ids that follow from them.

Two runs with the same ``fit_id`` learn the same thing, so a finished one is found again. Logging, paths, memory
budgets and launchers are in neither list: they change where and how fast, not what.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from promptlab.support.typed_json import to_plain

ID_LENGTH = 16
_ADDED_LATER = ("unlabelled_digest", "balance", "calibration", "tested_digest")
"""Facts that came after fits had ids."""


@dataclass(frozen=True, kw_only=True)
class FitFacts:
    """Everything that what is learned depends on.

    Args:
        learner: import path of the learner, its ``_target_``.
        learner_arguments: its arguments, those of optimiser, schedule and epochs included.
        learner_version: the number that a learner raises when its algorithm changes.
        seed: of the initialisation, the order of batches and the few-shot draw.
        class_names: every name known while training, in label order.
        has_images: for each name, whether it has training images.
        template: the training dataset's hand-written prompt.
        train_digest: :func:`items_digest` of the training items.
        val_digest: the same of the validation items, or None without any.
        views: ``0``, the number of encoded random views, or ``"online"``.
        selection: how the final parameters are chosen, ``last``, ``val`` or ``test``.
        trainer: options of the Lightning Trainer that change what is learned, e.g. gradient clipping.
        image_transforms: ids of the evaluation transform and, where views are drawn, of the training transform; none
            where features are given.
        backbone_fingerprint: hash over the frozen backbone's weights, architecture and precision.
        precision: of the backbone, ``fp32``, ``bf16`` or ``fp16``.
        unlabelled_digest: :func:`items_digest` of images without labels that training uses. None without any; as of
            what follows, None is no part of an id.
        balance: what made up for unequal numbers of training images in the loss, or None.
        calibration: what was fitted to held-out logits, ``temperature`` or None.
        tested_digest: :func:`items_digest` of the test images that chose the epoch, or None.
    """

    learner: str
    learner_arguments: Mapping[str, Any]
    learner_version: int
    seed: int
    class_names: tuple[str, ...]
    has_images: tuple[bool, ...]
    template: str
    train_digest: str
    val_digest: str | None
    views: int | str
    selection: str
    trainer: Mapping[str, Any]
    image_transforms: tuple[str, ...]
    backbone_fingerprint: str
    precision: str
    unlabelled_digest: str | None = None
    balance: str | None = None
    calibration: str | None = None
    tested_digest: str | None = None

    def __post_init__(self) -> None:
        if len(self.class_names) != len(self.has_images):
            raise ValueError(
                f"has_images needs one entry per class name, got {len(self.has_images)} for {len(self.class_names)}"
            )


@dataclass(frozen=True, kw_only=True)
class EvalFacts:
    """Everything that a score depends on, besides the fit.

    Args:
        name: of the evaluation set, e.g. ``test``, ``base``, ``new``.
        items_digest: :func:`items_digest` of the test items.
        class_names: the label space, C names in label order.
        template: the target dataset's hand-written prompt.
        image_transform: id of the evaluation transform, None where features are given.
    """

    name: str
    items_digest: str
    class_names: tuple[str, ...]
    template: str
    image_transform: str | None


def canonical_json(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, floats by ``repr``, tuples as lists, ASCII.

    Raises:
        PlainError: for NaN, infinities and types that JSON has no exact form for, naming the key's path.

    Example:
        >>> canonical_json({"b": (1, 2.0), "a": None})
        '{"a":null,"b":[1,2.0]}'
    """
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def fit_id(facts: FitFacts | Mapping[str, Any]) -> str:
    """The id of a fit: 16 hexadecimal digits.

    Raises:
        PlainError: as :func:`canonical_json`.
    """
    plain = to_plain(facts)
    assert isinstance(plain, dict)
    for name in _ADDED_LATER:
        if plain.get(name) is None:
            plain.pop(name, None)
    return _digest({"fit": plain})


def eval_id(fit_id: str, facts: EvalFacts | Mapping[str, Any]) -> str:
    """The id of one evaluation of the fit ``fit_id``: 16 hexadecimal digits.

    Raises:
        PlainError: as :func:`canonical_json`.
    """
    return _digest({"fit_id": fit_id, "evaluation": facts})


def items_digest(content_ids: Sequence[str], labels: Sequence[int] | npt.NDArray[np.int64]) -> str:
    """A digest of labelled images by content, 16 hexadecimal digits; their order matters.

    Args:
        content_ids: N hashes of contents.
        labels: (N,) class indices.

    Raises:
        ValueError: if there isn't one label per id.

    Example:
        >>> items_digest(["a", "b"], [0, 1]) == items_digest(["b", "a"], [1, 0])
        False
    """
    return _digest([[content_id, int(label)] for content_id, label in zip(content_ids, labels, strict=True)])


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()[:ID_LENGTH]
