"""What an earlier run of the same fit left in its folder: read and checked, never replaced without being asked.

A Result that is damaged, can't be, or is of a newer promptlab ends the run with a message; ``force=true`` keeps it
under another name and computes it again. What a run keeps for going on (``unfinished.json``, what was learned while
there is no Result yet) is put aside instead, and what it held is made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from promptlab.results.document import NewerResultError, Result, ResultError
from promptlab.results.logits import Logits, read_logits
from promptlab.results.predictions import Predictions, read_predictions
from promptlab.results.store import RESULT_NAME, RESUME_NAME, UNFINISHED_NAME, read_result
from promptlab.runs.calibrate import Bias, has_bias
from promptlab.runs.facts import Target
from promptlab.runs.open_world import has_open_world
from promptlab.runs.parts import Parts
from promptlab.saved.card import CARD_NAME, LEARNED_NAME, Card, CardError, NewerCardError, read_card
from promptlab.saved.learned import read_learned
from promptlab.support.files import set_aside

log = logging.getLogger(__name__)
_AGAIN = "force=true computes it again, and keeps a damaged result under another name; promptlab verify {} checks all"


@dataclass(frozen=True)
class Earlier:
    """An earlier run of the same fit.

    Args:
        result: its document.
        learned: what it learned, None if that is gone.
        scored: names of the evaluations that need not be scored again.
        complete: whether nothing is missing but perhaps the card.
        has_card: whether a card that can be read describes what was learned.
    """

    result: Result
    learned: Mapping[str, Tensor] | None
    scored: frozenset[str]
    complete: bool
    has_card: bool


def find_earlier(
    folder: Path, parts: Parts, targets: Sequence[Target], bias: Bias | None, *, mend: bool = False
) -> Earlier | None:
    """An earlier run in a folder, None where there is none to go on from.

    Args:
        folder: the fit's.
        parts: of the run that asks; where all logits are kept, evaluations without them are to be scored again.
        targets: the evaluations that are wanted.
        bias: what was chosen beforehand, None where nothing is.
        mend: put damaged files aside that can be made again; whoever asks holds the folder.

    Raises:
        ResultError: for a finished Result, or what was learned beside one, that can't be used.
    """
    finished = (folder / RESULT_NAME).exists()
    result = _unfinished(folder, mend=mend)
    whole = result is None and finished
    if result is None and finished:
        with _named(folder):
            result = _own(folder / RESULT_NAME)
    if result is None:
        return None
    card, has_card = _card(folder)
    if finished:
        with _named(folder):
            learned = _learned(folder, card)
    else:
        learned = _recovered(folder, card, mend=mend)
    logits = parts.settings.keep == "logits"
    scored = frozenset(t.name for t in targets if _is_scored(folder, result, t, logits=logits, mend=mend))
    joint = has_bias(result, bias) and has_open_world(result, parts)
    complete = whole and learned is not None and len(scored) == len(targets) and joint
    return Earlier(result, learned, scored, complete, has_card)


def clear_earlier(folder: Path) -> None:
    """Make way for a run that is to be repeated: what can't be read is put aside, the rest deleted.

    A kill afterwards must not leave an old Result beside newer tensors.
    """
    for path in (folder / RESULT_NAME, folder / UNFINISHED_NAME):
        try:
            if path.exists():
                read_result(path)
        except ResultError as error:
            set_aside(path, error, "computed again")
        path.unlink(missing_ok=True)
    (folder / RESUME_NAME).unlink(missing_ok=True)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Let errors about a finished run say what can be done."""
    try:
        yield
    except NewerResultError as error:
        raise NewerResultError(
            f"{error}, give another folder (results=...), or force=true, which keeps it under another name"
        ) from error
    except (ResultError, CardError) as error:
        raise ResultError(f"{error}. {_AGAIN.format(folder)}") from error


def _own(path: Path) -> Result:
    """A Result, which must be of the fit that its folder is named by."""
    result = read_result(path)
    if result.fit_id != path.parent.name:
        raise ResultError(f"{path}: it is of fit {result.fit_id}, and lies in the folder of another")
    return result


def _unfinished(folder: Path, *, mend: bool) -> Result | None:
    """The Result of a run that was still scoring."""
    path = folder / UNFINISHED_NAME
    try:
        return _own(path) if path.exists() else None
    except NewerResultError:
        with _named(folder):
            raise
    except ResultError as error:
        if mend:
            set_aside(path, error, "its part of the run is done again")
        return None


def _card(folder: Path) -> tuple[Card | None, bool]:
    """The card, and whether there is one to be left as it is; a missing or damaged one is written anew."""
    try:
        return read_card(folder / CARD_NAME), True
    except NewerCardError:
        return None, True
    except CardError:
        return None, False


def _learned(folder: Path, card: Card | None) -> Mapping[str, Tensor] | None:
    path = folder / LEARNED_NAME
    try:
        if card is not None and card.training is not None and card.training.fit_id != folder.name:
            raise CardError(f"{CARD_NAME} is of fit {card.training.fit_id}, and lies in the folder of another")
        return read_learned(path, card) if path.exists() else None
    except (CardError, OSError) as error:
        raise ResultError(f"{folder}: {error}") from error


def _recovered(folder: Path, card: Card | None, *, mend: bool) -> Mapping[str, Tensor] | None:
    """What was learned, while there is no Result: damaged, it is learned again."""
    try:
        return _learned(folder, card)
    except ResultError as error:
        if mend:
            set_aside(folder / LEARNED_NAME, error, "the fit starts again")
        return None


def _is_scored(folder: Path, earlier: Result, target: Target, *, logits: bool, mend: bool) -> bool:
    scored = earlier.evaluations.get(target.name)
    if scored is None:
        return False
    if scored.eval_id != target.id:
        log.warning("%s: other images or classes of %s are scored than before, which replaces its scores",
                    folder, target.name)  # fmt: skip
        return False
    if scored.predictions is None:
        return True
    files: dict[str | None, Callable[[Path], Predictions | Logits]] = {scored.predictions: read_predictions}
    if logits:
        files[scored.logits] = read_logits
    return all(name and _is_of(folder / name, read, target, mend=mend) for name, read in files.items())


def _is_of(path: Path, read: Callable[[Path], Predictions | Logits], target: Target, *, mend: bool) -> bool:
    """Whether a file of an evaluation is there, sound, and of this evaluation."""
    try:
        return path.exists() and read(path).eval_id == target.id
    except ResultError as error:
        if mend:
            set_aside(path, error, f"{target.name} is scored again")
        return False
