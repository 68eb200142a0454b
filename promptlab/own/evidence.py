"""What a diagnosis is made of: scores of pictures that weren't trained on, and the pictures where their files are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptlab.data.items import Items
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.learners.base.decision import ALWAYS, Decision
from promptlab.own.adapted import ADAPTED_NAME, HELD_OUT, PAGE_NAME, read_adapted
from promptlab.own.documented_pictures import found_pictures
from promptlab.report.pictures import folders_of
from promptlab.results.logits import logits_name, read_logits
from promptlab.results.predictions import Predictions, read_predictions
from promptlab.results.store import RESULT_NAME, read_result
from promptlab.saved.card import CARD_NAME, read_card
from promptlab.support.arrays import DoubleArray, IntArray
from promptlab.support.errors import UsageError
from promptlab.support.words import counted, some_of

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """N scored pictures of C classes.

    Args:
        folder: that it was read from.
        evaluation: name of the scores.
        predictions: labels, the five best classes and the files of the pictures.
        own: (N,) probability of each picture's own label in [0, 1]; 0 for one that isn't among the five where only
            those were kept.
        sure: (N,) probability of what each picture is taken for, by the same temperature as ``own``.
        exact: whether all probabilities were kept.
        decision: how the learner makes answers.
        pictures: M of the pictures, whose files are as they were scored; None where none is.
        rows: (M,) which of the N they are.
        notes: what a reader should know of it.
    """

    folder: Path
    evaluation: str
    predictions: Predictions
    own: DoubleArray
    sure: DoubleArray
    exact: bool
    decision: Decision
    pictures: Items | None
    rows: IntArray
    notes: tuple[str, ...]

    @property
    def is_held_out(self) -> bool:
        """Whether these are the given pictures of an adapted folder, by its held-out folds."""
        return self.evaluation == HELD_OUT

    @property
    def labels(self) -> IntArray:
        """(N,) the label of each picture."""
        return self.predictions.labels.astype(np.int64)

    @property
    def said(self) -> IntArray:
        """(N,) what each picture is taken for."""
        return self.predictions.top_ids[:, 0].astype(np.int64)

    def name(self, row: int) -> str:
        """What a picture is called: its file, or its content id where that isn't known."""
        files = self.predictions.files
        return self.predictions.content_ids()[row] if files is None else files[row]


def read_evidence(folder: str | Path, evaluation: str | None = None, pictures: str | Path | None = None) -> Evidence:
    """The scores of a folder, and its pictures.

    Args:
        folder: what ``promptlab adapt`` wrote, or a run's.
        evaluation: name of the scores; ``held_out`` or the first with predictions if None.
        pictures: where the pictures lie, if they were moved.

    Raises:
        UsageError: if there is no such folder, or it has no such scores.
        ResultError: if a file of it is damaged.

    Example:
        >>> read_evidence("no/such/folder")
        Traceback (most recent call last):
        promptlab.support.errors.UsageError: there is no folder no/such/folder
    """
    folder = Path(folder).expanduser()
    predictions = read_predictions(_scores_in(folder, evaluation))
    card = read_card(folder / CARD_NAME) if (folder / CARD_NAME).is_file() else None
    decision = ALWAYS if card is None or card.decision is None else card.decision
    own, sure, exact = _probabilities(folder, predictions, decision.temperature)
    reading = USUAL if card is None or card.reading is None else card.reading
    bases = [Path(pictures).expanduser()] if pictures is not None else list(_bases(folder))
    items, rows, notes = _found(predictions, bases, reading)
    notes = (*notes, *_uncalibrated(predictions, decision, exact))
    return Evidence(
        folder=folder, evaluation=predictions.evaluation, predictions=predictions, own=own, sure=sure, exact=exact,
        decision=decision, pictures=items, rows=rows, notes=notes,
    )  # fmt: skip


def _scores_in(folder: Path, evaluation: str | None) -> Path:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found = {path.stem.removeprefix("predictions-"): path for path in sorted(folder.glob("predictions-*.safetensors"))}
    if not found and (folder / ADAPTED_NAME).is_file():
        raise UsageError(
            f"{folder} has no predictions: no picture was held out when it was adapted, and its {PAGE_NAME} says why"
        )
    if not found:
        raise UsageError(
            f"{folder} has no predictions: give a folder that `promptlab adapt` wrote, or a run's (with result.json)"
        )
    if evaluation is None:
        return found.get(HELD_OUT) or next(iter(found.values()))
    if evaluation not in found:
        raise UsageError(f"{folder} has no scores of {evaluation!r}: there are {', '.join(found)}")
    return found[evaluation]


def _probabilities(folder: Path, predictions: Predictions, temperature: float) -> tuple[DoubleArray, DoubleArray, bool]:
    """Of each picture's label (N,) and of what it is taken for (N,), and whether they are those of all logits."""
    rows, labels = np.arange(len(predictions.labels)), predictions.labels
    if (folder / logits_name(predictions.evaluation)).is_file():
        kept = read_logits(folder / logits_name(predictions.evaluation))
        every = kept.probabilities(temperature).astype(np.float64)  # (N, C)
        return every[rows, labels], every[rows, predictions.top_ids[:, 0]], True
    is_own = predictions.top_ids == labels[:, None]  # (N, k)
    best = predictions.top_probabilities.astype(np.float64)
    return (best * is_own).sum(axis=1), best[:, 0], False


def _uncalibrated(predictions: Predictions, decision: Decision, exact: bool) -> tuple[str, ...]:
    """What to say where a run kept five probabilities alone, which are those before its temperature."""
    if exact or decision.temperature == 1 or predictions.evaluation == HELD_OUT:
        return ()
    return ("probabilities are those before the temperature: keep=logits keeps what gives the others",)


def _bases(folder: Path) -> Iterator[Path]:
    """Folders that the names of files may be relative to."""
    if (folder / ADAPTED_NAME).is_file():
        yield Path(read_adapted(folder).root)
    if (folder / RESULT_NAME).is_file():
        yield from folders_of(read_result(folder / RESULT_NAME).config)


def _found(
    predictions: Predictions, bases: Sequence[Path], reading: Reading
) -> tuple[Items | None, IntArray, tuple[str, ...]]:
    """The pictures whose files have the bytes that were scored, which of all they are, and what is to be said of it."""
    names, ids = predictions.files, predictions.content_ids()
    if names is None:
        return None, _NONE, ("no pictures are shown: the scores don't say which files they are of",)
    for base in bases:
        items, rows = found_pictures(base, names, ids, predictions.labels.astype(np.int64), reading)
        if len(rows):
            lost = [names[row] for row in np.setdiff1d(np.arange(len(names)), rows).tolist()]
            said = f"{counted(len(lost), 'picture')} changed or gone since, left out of what looks at pictures: "
            return items, rows, (said + some_of(lost, 3),) if lost else ()
    where = " or ".join(map(str, bases)) or "any folder that its configuration names"
    return None, _NONE, (f"no pictures are shown: they are not in {where}; --pictures DIR says where they lie",)
