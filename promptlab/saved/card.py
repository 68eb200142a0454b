"""``card.json``: what makes a saved learner whole again besides its tensors, as plain JSON with a checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab.data.pictures.reading import Reading
from promptlab.learners.base.decision import Decision
from promptlab.support.checksums import DamageError, sealed, unsealed
from promptlab.support.errors import PromptlabError
from promptlab.support.pointers import refuse_pointer
from promptlab.support.typed_json import PlainError, from_plain, render, to_plain
from promptlab.support.version import __version__

CARD_NAME = "card.json"
LEARNED_NAME = "learned.safetensors"
FORMAT = 2
"""Format 2 has a checksum; format 1 had none and is else the same."""


class CardError(PromptlabError, ValueError):
    """A saved learner that can't be read or written; the message says what was expected and what was found."""


class NewerCardError(CardError):
    """A card of a newer promptlab, which this one can't read."""


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """Arguments of :func:`promptlab.load_clip` that give the same weights on another machine."""

    name: str
    pretrained: str | None = None
    quick_gelu: bool | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class BackboneCard:
    """The backbone that a learner was trained on.

    Args:
        name: for people.
        fingerprint: hash over weights, architecture and precision.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        dim: D.
        width: E.
        source: how to load it, None where only this machine has it (a checkpoint by path, a model of one's own).
    """

    name: str
    fingerprint: str
    precision: str
    dim: int
    width: int
    source: BackboneSource | None


@dataclass(frozen=True, kw_only=True)
class TrainingCard:
    """What a learner was trained on; the scores are known once a Result is.

    Args:
        dataset: name of the training dataset.
        protocol: name of the protocol.
        shots: training images per class, ``"all"``, or words where ``promptlab adapt`` had unequal numbers.
        seed: the run's seed.
        views: ``0``, the number of encoded random views, or ``"online"``.
        train_images: number of training items.
        fit_id: id of the fit.
        top1: evaluation to its accuracy, None where the learner couldn't score it.
        harmonic: harmonic mean of two of them.
    """

    dataset: str
    protocol: str
    shots: int | str
    seed: int
    views: int | str
    train_images: int
    fit_id: str
    top1: Mapping[str, float | None] | None = None
    harmonic: float | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """A saved learner without its tensors.

    Args:
        format: of this document, ``FORMAT``.
        promptlab: version that wrote it.
        learner: import path of the class.
        learner_version: the class's ``version``.
        arguments: its hyper-parameters; see :func:`promptlab.saved.arguments.arguments_to_json`.
        backbone: what it was trained on.
        class_names: names of its C classes.
        learned_sha256: hash of the file of tensors.
        reading: how the pictures that it was trained on were read, None where that was the usual way.
        decision: how answers are made of its logits, None where the most probable class is always the answer.
        training: what it was trained on, None if that isn't known.
        result: name of the Result beside it, or None.
    """

    format: int = FORMAT
    promptlab: str = __version__
    learner: str
    learner_version: int
    arguments: Mapping[str, Any]
    backbone: BackboneCard
    class_names: tuple[str, ...]
    learned_sha256: str
    reading: Reading | None = None
    decision: Decision | None = None
    training: TrainingCard | None = None
    result: str | None = None

    def to_json(self) -> str:
        """The card as text."""
        document = to_plain(self)
        assert isinstance(document, dict)
        return render(sealed(document)) + "\n"


def read_card(path: str | Path) -> Card:
    """Read a card and check every field.

    Args:
        path: of ``card.json`` in the folder of a saved learner.

    Raises:
        CardError: if it is damaged or was edited, is not promptlab's, or of a newer format.

    Example:
        >>> import promptlab, tempfile
        >>> learner = promptlab.CoOp(promptlab.load_clip("demo"), ["red circle", "blue star"], n_ctx=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = read_card(learner.save_pretrained(folder) / "card.json")
        >>> card.class_names, card.backbone.dim
        (('red circle', 'blue star'), 128)
    """
    path = Path(path)
    refuse_pointer(path, CardError)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # a ValueError for bytes that aren't UTF-8, too
        raise CardError(f"{path} can't be read as JSON ({error}); the file may be damaged") from error
    if not isinstance(document, dict) or not {"format", "promptlab", "learner"} <= document.keys():
        raise CardError(f"{path} is no card of promptlab: a JSON object with format, promptlab and learner is expected")
    found = document["format"]
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= FORMAT:
        kind = NewerCardError if type(found) is int and found > FORMAT else CardError
        raise kind(
            f"{path}: this promptlab ({__version__}) reads cards of formats 1 to {FORMAT}, this one has format "
            f"{found!r}, written by promptlab {document['promptlab']}"
        )
    try:
        return from_plain(Card, {**unsealed(document, required=found > 1), "format": FORMAT})
    except (PlainError, DamageError) as error:
        raise CardError(f"{path}: {error}") from error
