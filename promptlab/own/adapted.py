"""``adapted.json``: what was given, tried on held-out pictures and chosen, as JSON with a checksum.

It lies beside ``card.json`` and ``learned.safetensors`` in the folder that ``promptlab adapt`` leaves, with held-out
predictions and logits of the chosen learner under the evaluation name :data:`HELD_OUT`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from promptlab.support.checksums import DamageError, sealed, unsealed
from promptlab.support.errors import PromptlabError
from promptlab.support.files import write_text_atomic
from promptlab.support.pointers import refuse_pointer
from promptlab.support.typed_json import PlainError, from_plain, render, to_plain
from promptlab.support.version import __version__

ADAPTED_NAME = "adapted.json"
PAGE_NAME = "adapted.html"
HELD_OUT = "held_out"
"""Name of the evaluation: every picture that a fold held out, scored by the learner that didn't train on it."""
FORMAT = 1


class AdaptedError(PromptlabError, ValueError):
    """A folder that ``promptlab adapt`` didn't write, or whose ``adapted.json`` can't be read."""


@dataclass(frozen=True, kw_only=True)
class GivenPicture:
    """A picture that was given.

    Args:
        file: its path relative to ``Adapted.root``; bytes that are no UTF-8 are spelled out.
        label: its class, 0-based.
        content_id: id of its content.
        group: pictures of one number are never on both sides of a fold: copies, or what ``--group`` says.
        fold: the fold that held it out; None if it was always trained on, so that nothing was scored on it.
    """

    file: str
    label: int
    content_id: str
    group: int
    fold: int | None


@dataclass(frozen=True, kw_only=True)
class CandidateScores:
    """What a candidate scored on the held-out pictures.

    Args:
        name: ``zero_shot``, ``clap``, ``tip_adapter_f``, ``coop`` or what was asked for.
        title: what people call it.
        accuracy: share of the held-out pictures that were right in [0, 1]; None if it was left out.
        mean_class_accuracy: the mean over classes, by which candidates are compared.
        fold_accuracies: by fold.
        behind: by how much its mean over classes lies below the best candidate's.
        noise: the standard error of that difference, over folds or over pictures, whichever is larger.
        seconds: of its fits.
        left_out: why it wasn't scored, in words.
    """

    name: str
    title: str
    accuracy: float | None = None
    mean_class_accuracy: float | None = None
    fold_accuracies: tuple[float, ...] = ()
    behind: float | None = None
    noise: float | None = None
    seconds: float = 0.0
    left_out: str | None = None


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """How far probabilities are from shares of right answers, on the held-out pictures.

    Args:
        temperature: what the logits are divided by.
        ece: expected calibration error with it, in [0, 1].
        ece_before: without it.
        nll: mean negative log-likelihood with it, in nats.
        nll_before: without it.
    """

    temperature: float
    ece: float
    ece_before: float
    nll: float
    nll_before: float


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """How a learner came out of somebody's pictures.

    Args:
        format: of this document, ``FORMAT``.
        promptlab: version that wrote it.
        created: when, ISO 8601 in UTC.
        command: the command line, empty from Python.
        given: what was given: the absolute path of a folder or table, or ``-`` for a table on standard input.
        root: the absolute path that the pictures' files are relative to.
        class_names: names of the C classes, in label order; those of ``others`` among them.
        class_origins: what each class was read from: its folder, its label in a table; as its name if unknown.
        others: classes that stand for "none of these"; those given as names alone have no pictures.
        template: the hand-written prompt.
        pictures: all that was trained on.
        seen: what was noticed in the pictures, a sentence each.
        left_out: files that can't be read, with the reason.
        backbone: its name, for people.
        views: random views of each picture that were trained on; 0 for the evaluation transform alone.
        seed: of folds and fits.
        folds: how many there are; 0 if nothing could be held out.
        candidates: all that were considered, the simplest first.
        chosen: name of the one that was fitted on everything.
        reason: why that one, in a sentence.
        honesty: of the chosen one; None if nothing was held out.
        seconds: wall-clock time by phase: ``look``, ``encode``, ``choose``, ``fit``.
    """

    format: int = FORMAT
    promptlab: str = __version__
    created: str
    command: str
    given: str
    root: str
    class_names: tuple[str, ...]
    class_origins: tuple[str, ...]
    others: tuple[str, ...]
    template: str
    pictures: tuple[GivenPicture, ...]
    seen: tuple[str, ...]
    left_out: tuple[str, ...]
    backbone: str
    views: int
    seed: int
    folds: int
    candidates: tuple[CandidateScores, ...]
    chosen: str
    reason: str
    honesty: Honesty | None
    seconds: Mapping[str, float]

    @property
    def counts(self) -> tuple[int, ...]:
        """Pictures of each class."""
        labels = [picture.label for picture in self.pictures]
        return tuple(labels.count(label) for label in range(len(self.class_names)))

    def to_json(self) -> str:
        """The document as text."""
        return render(sealed(cast(dict[str, Any], to_plain(self)))) + "\n"


def write_adapted(folder: str | Path, adapted: Adapted) -> Path:
    """Write it into the folder of the learner, atomically; the answer is the file's path."""
    path = Path(folder) / ADAPTED_NAME
    write_text_atomic(path, adapted.to_json())
    return path


def read_adapted(folder: str | Path) -> Adapted:
    """What ``promptlab adapt`` wrote down in a folder.

    Raises:
        AdaptedError: if there is no ``adapted.json``, or it is damaged, edited, or of a newer format.

    Example:
        >>> read_adapted("no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        promptlab.own.adapted.AdaptedError: no/such/folder has no adapted.json: a folder that promptlab adapt left ...
    """
    path = Path(folder) / ADAPTED_NAME
    if not path.is_file():
        raise AdaptedError(f"{folder} has no {ADAPTED_NAME}: a folder that promptlab adapt left is needed")
    refuse_pointer(path, AdaptedError)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AdaptedError(f"{path} can't be read as JSON ({error}); the file may be damaged") from error
    if not isinstance(document, dict):
        raise AdaptedError(f"{path}: expected an object, got a {type(document).__name__}")
    if document.get("format") != FORMAT:
        raise AdaptedError(
            f"{path}: this promptlab ({__version__}) reads format {FORMAT}, this one has {document.get('format')!r}, "
            f"written by promptlab {document.get('promptlab')}"
        )
    try:
        return from_plain(Adapted, unsealed(document))
    except (PlainError, DamageError) as error:
        raise AdaptedError(f"{path}: {error}") from error
