"""The Result document: one fit, everything it was scored on, and where it all came from.

``result.json`` has the fields of :class:`Result`, in their order, and a checksum of them as its last key. Fields that a
later version adds have a default, so that documents of the same schema version stay readable; any other change raises
``SCHEMA_VERSION``, and :func:`_as_current` then brings older documents up to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from promptlab.results import tables
from promptlab.results.calibration import Temperature
from promptlab.results.harmonic import harmonic_of as harmonic_of
from promptlab.results.ids import FitFacts
from promptlab.results.open_world import OpenWorldResult
from promptlab.results.possible import impossible
from promptlab.results.schema import (
    EpochRecord,
    EvaluationResult,
    GitCommit,
    Harmonic,
    Host,
    Seconds,
    SeenUnseenCurve,
    TrainedParameters,
)
from promptlab.support.checksums import DamageError, sealed, unsealed
from promptlab.support.errors import PromptlabError
from promptlab.support.typed_json import PlainError, from_plain, render, to_plain

SCHEMA_VERSION = 2
"""Version 2 has a checksum; version 1 had none and is else the same."""


class ResultError(PromptlabError, ValueError):
    """A result file that can't be read or written; the message names the file and the field."""


class NewerResultError(ResultError):
    """A result of a newer promptlab, which this one neither reads nor replaces."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """One fit and its evaluations; printed, and in a notebook, it is a table of its scores.

    Args:
        schema_version: of this document, ``SCHEMA_VERSION``.
        created: when the document was written, ISO 8601 in UTC.
        protocol: name of the protocol.
        dataset: name of the training dataset.
        learner: the learner's name, as in ``learner=coop``.
        backbone: name of the frozen backbone and its weights, for people; ``fit`` holds the fingerprint.
        fit_id: id that follows from ``fit``.
        fit: what the fit is.
        config: the resolved configuration, as composed.
        seed: the run's seed.
        shots: training images per class, or ``"all"``.
        views: ``0``, the number of encoded random views, or ``"online"``.
        epochs: gradient stage to its number of epochs; empty where nothing was trained by gradient.
        selection: what chose the final parameters, e.g. ``last epoch``.
        train_images: number of training items.
        val_images: number of validation items; 0 without any.
        evaluations: name of the evaluation set to its scores, in the protocol's order.
        harmonic: harmonic mean of two evaluations, None where the protocol has none.
        learning_curve: one record per stage and epoch, in the order of training.
        trained_parameters: count, names and shapes of what was learned.
        seconds: wall-clock time by phase.
        peak_memory_bytes_of_process: the most memory that the whole process held up to the end of the run; in a sweep
            within one process that includes the runs before.
        versions: package to its version.
        git: commit that promptlab ran from, None outside a checkout.
        host: where it ran.
        notes: facts that a reader needs, from the task and the run.
        seen_unseen: what a bias between seen and unseen classes trades, for generalised zero-shot learning.
        marks: what sets this run apart from others wherever they are compared, in words: ``transductive`` (test images
            were scored together), ``test_time`` (it adapted to a test image), ``unlabelled images``. None in Results
            that were written before there were marks.
        peak_memory_bytes_of_gpu: the most memory that the run held on its GPU, None without one.
        learned_bytes: size of the file of what was learned, None in Results of earlier versions.
        open_world: how well known images are told from unknown ones, for a protocol that asks for it.
        temperature: what ``calibration=temperature`` chose.
        class_images: training images of each class that ``fit`` names, None in Results of earlier versions.

    Example:
        >>> Result.from_json('{"schema_version": 99}')  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        promptlab.results.document.NewerResultError: result.json: schema_version: this promptlab reads up to version ...
    """

    schema_version: int = SCHEMA_VERSION
    created: str
    protocol: str
    dataset: str
    learner: str
    backbone: str
    fit_id: str
    fit: FitFacts
    config: Mapping[str, Any]
    seed: int
    shots: int | str
    views: int | str
    epochs: Mapping[str, int]
    selection: str
    train_images: int
    val_images: int
    evaluations: Mapping[str, EvaluationResult]
    harmonic: Harmonic | None
    learning_curve: tuple[EpochRecord, ...]
    trained_parameters: TrainedParameters
    seconds: Seconds
    peak_memory_bytes_of_process: int
    versions: Mapping[str, str]
    git: GitCommit | None
    host: Host
    notes: tuple[str, ...]
    seen_unseen: SeenUnseenCurve | None = None
    marks: tuple[str, ...] = ()
    peak_memory_bytes_of_gpu: int | None = None
    learned_bytes: int | None = None
    open_world: OpenWorldResult | None = None
    temperature: Temperature | None = None
    class_images: tuple[int, ...] | None = None
    folder: ClassVar[Path | None] = None
    """The folder of its file, of a result that was read from one; no part of the document."""

    def found_in(self, folder: str | Path) -> Result:
        """The same result, which knows its folder."""
        object.__setattr__(self, "folder", Path(folder))
        return self

    def __repr__(self) -> str:
        """One line."""
        title, columns, rows = self._table()
        scores = ", ".join(f"{name} {cell}" for name, cell in zip(columns, rows[self.learner], strict=True))
        return f"Result({title}: {scores})"

    def __str__(self) -> str:
        """A table of the scores, zero-shot CLIP's above, in percent."""
        return tables.as_text(*self._table())

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table())

    def _table(self) -> tuple[str, list[str], dict[str, list[str]]]:
        metric = "top1" if self.harmonic is None else self.harmonic.metric
        zero_shot = [getattr(of.zero_shot, metric, None) for of in self.evaluations.values()]
        own = [getattr(of.metrics, metric, None) for of in self.evaluations.values()]
        names = [*self.evaluations]
        if self.harmonic is not None:
            names, zero_shot, own = [*names, "H"], [*zero_shot, self.harmonic.zero_shot], [*own, self.harmonic.learner]
        title = (
            f"{self.learner} on {self.dataset}, {self.protocol}, {self.backbone}, shots {self.shots}, "
            f"views {self.views}, seed {self.seed}"
        )
        rows = {"zero-shot": zero_shot, self.learner: own}
        return title, names, {name: [tables.percent(score) for score in scores] for name, scores in rows.items()}

    def to_json(self) -> str:
        """The document as JSON text; equal results give equal text.

        Raises:
            ResultError: if a value can't be written exactly (NaN, infinity, an unknown type), naming the field.
        """
        try:
            document = to_plain(self)
            assert isinstance(document, dict)
            return render(sealed(document)) + "\n"
        except PlainError as error:
            raise ResultError(f"result {self.fit_id}: {error}") from error

    @classmethod
    def from_json(cls, text: str, source: str = "result.json") -> Result:
        """Read a document and check every field.

        Args:
            text: the JSON text.
            source: name of the file, for messages.

        Raises:
            NewerResultError: for a schema version above ``SCHEMA_VERSION``.
            ResultError: for broken JSON, another checksum, missing, unknown or wrong fields, and values that can't be.
        """
        try:
            document = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ResultError(f"{source}: not valid JSON ({error}); the file may be damaged") from error
        if not isinstance(document, dict):
            raise ResultError(f"{source}: expected an object, got a {type(document).__name__}")
        try:
            result = from_plain(cls, _as_current(document, source))
        except (PlainError, DamageError) as error:
            raise ResultError(f"{source}: {error}") from error
        try:
            fault = impossible(result)
        except OverflowError as error:
            fault = f"a number is too large ({error})"
        if fault is not None:
            raise ResultError(f"{source}: {fault}; the file was damaged, or edited by hand")
        return result


def _as_current(document: dict[str, Any], source: str) -> dict[str, Any]:
    """The fields of a document of any version that is known, in the form of the current one.

    Raises:
        NewerResultError: for a newer version.
        ResultError: for what is no version.
        DamageError: if the checksum is another, or missing where there must be one.
    """
    version = document.get("schema_version", "missing")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ResultError(
            f"{source}: schema_version: a number from 1 to {SCHEMA_VERSION} is expected, the file has {version!r}; it "
            "is damaged, or no result"
        )
    if version > SCHEMA_VERSION:
        raise NewerResultError(
            f"{source}: schema_version: this promptlab reads up to version {SCHEMA_VERSION}, the file has {version}; "
            "it was written by a newer promptlab (versions.promptlab in the file says which): update promptlab"
        )
    current = unsealed(document, required=version > 1)
    return {"marks": _marks_of_old(document), **current, "schema_version": SCHEMA_VERSION}


def _marks_of_old(document: Mapping[str, Any]) -> list[str]:
    """The one mark that a document without marks can have: sentences about classes were an argument already."""

    def described(arguments: object) -> bool:
        if not isinstance(arguments, Mapping):
            return False
        return arguments.get("prompts") is not None or any(described(value) for value in arguments.values())

    fit = document.get("fit")
    return ["descriptions"] if isinstance(fit, Mapping) and described(fit.get("learner_arguments")) else []


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
