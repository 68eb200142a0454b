"""What a diagnosis comes to, in plain words: a sentence for each thing that can be done, the most useful first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptlab.own.class_names_known import ALIKE
from promptlab.own.diagnosed import MOST, ClassFound, Diagnosis
from promptlab.support.words import counted, some_of

FEW = 5
"""Pictures of a class below which its recall says little."""
_WRONG = 0.1
"""Probability of a label below which a picture's label deserves a look."""


def advice(found: Diagnosis) -> list[str]:
    """Sentences, the most useful first.

    Args:
        found: a diagnosis.

    Example:
        >>> advice(Diagnosis(folder="pets", evaluation="held_out", held_out=True, pictures=4, right=4, classes=(),
        ...                  confused=(), wrong=()))
        ['Nothing stands out.']
    """
    return [*_labels(found), *_classes(found), *_names(found), *_amount(found)] or ["Nothing stands out."]


def _labels(found: Diagnosis) -> Iterator[str]:
    if found.contradictions:
        named = some_of([f"{pair.files[0]} and {pair.files[1]}" for pair in found.contradictions], 2)
        pairs = counted(len(found.contradictions), "pair of pictures shows", "pairs of pictures show")
        yield (
            f"{_at_least(found.contradictions).capitalize()}{pairs} the same under different labels: take one of each "
            f"away, or correct its label ({named})."
        )
    doubtful = [picture.file for picture in found.wrong if picture.own < _WRONG]
    if doubtful:
        number = _at_least(doubtful) + counted(len(doubtful), "picture")
        yield (
            f"Look at {number} whose label gets less than {_WRONG:.0%}: the label may be wrong, or the picture shows "
            f"something else ({some_of(doubtful, 3)})."
        )
    if found.repeats and found.held_out:
        copies = counted(found.repeats, "pair of near-copies has", "pairs of near-copies have")
        yield f"{copies} one label: such pictures teach no more than one of them."


def _at_least(listed: Sequence[object]) -> str:
    """What stands before a number of which a diagnosis lists the first alone."""
    return "at least " if len(listed) == MOST else ""


def _classes(found: Diagnosis) -> Iterator[str]:
    few = [f"{one.name} ({one.pictures})" for one in found.classes if 0 < one.pictures < FEW]
    if few and found.held_out:
        yield f"Give more pictures first to the classes with few: {some_of(few)}."
    if found.confused and found.confused[0].pictures > 1:
        pair = found.confused[0]
        yield (
            f"{pair.label} is most often taken for {pair.said} ({counted(pair.pictures, 'picture')}, {pair.share:.0%} "
            "of its own): pictures of both that show what tells them apart help most, or one name for both."
        )


def _names(found: Diagnosis) -> Iterator[str]:
    alike = [f"{pair.name} and {pair.other}" for pair in found.names or () if pair.similarity >= ALIKE]
    if alike:
        yield f"To the backbone these names say almost the same: {some_of(alike)}. Say in words what is seen."
    if unknown := [one.name for one in found.classes if is_unknown(one, len(found.classes))]:
        yield (
            f"Names by which the backbone finds next to nothing: {some_of(unknown)}. Describe what is seen, or rely on "
            "the pictures: such classes need more of them."
        )


def is_unknown(one: ClassFound, n_classes: int) -> bool:
    """Whether a class's name finds no more of its pictures than chance, of enough pictures to tell.

    Args:
        one: a class.
        n_classes: how many there are.
    """
    return one.by_name is not None and one.pictures >= FEW and one.by_name <= 1 / n_classes


def _amount(found: Diagnosis) -> Iterator[str]:
    curve = found.curve
    if curve is None or len(curve.points) < 2 or not found.held_out:  # a run's are tested, never trained on
        return
    last, before = curve.points[-1], curve.points[curve.half]
    amounts = f"from {before.most} to {last.most} pictures a class"
    step = f"{amounts} the accuracy went from {before.accuracy:.0%} to {last.accuracy:.0%}"
    if curve.still_rises:
        yield f"More pictures would help: {step}."
    elif curve.gain_error > 0.02:
        yield f"Whether more pictures would help can't be told from so few: {step}."
    else:
        yield f"More pictures of the same kind would help little: {step}."
