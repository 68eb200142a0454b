"""What a diagnosis says: classes, confusions, wrong pictures, near-copies, names, and whether more would help."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.own.class_names_known import NamePair
from promptlab.own.learning_curve import LearningCurve

MOST = 20
"""Pictures and pairs of each list."""


@dataclass(frozen=True, kw_only=True)
class ClassFound:
    """One class.

    Args:
        name: of it.
        pictures: how many were scored.
        right: how many of them are taken for it.
        recall: the share of those in [0, 1], None without pictures.
        taken_for: the class that most of the others are taken for, None if all are right.
        by_name: share of its pictures in [0, 1] that its name alone finds (zero-shot), None where that isn't known.
    """

    name: str
    pictures: int
    right: int
    recall: float | None
    taken_for: str | None
    by_name: float | None = None


@dataclass(frozen=True, kw_only=True)
class PairFound:
    """A class whose pictures are taken for another.

    Args:
        label: the class.
        said: what they are taken for.
        pictures: how many.
        share: of the label's pictures in [0, 1].
    """

    label: str
    said: str
    pictures: int
    share: float


@dataclass(frozen=True, kw_only=True)
class NearestFound:
    """The picture that the backbone finds most like another one.

    Args:
        row: its position among the scored pictures.
        file: its name.
        label: its class.
        similarity: cosine of their features.
    """

    row: int
    file: str
    label: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class WrongPicture:
    """A picture that the scores find wrong.

    Args:
        row: its position among the scored pictures.
        file: its name.
        label: the class that it was given.
        said: what it is taken for.
        own: probability of its label in [0, 1].
        sure: probability of what it is taken for in [0, 1].
        nearest: the given picture that is most like it; None where pictures couldn't be looked at.
    """

    row: int
    file: str
    label: str
    said: str
    own: float
    sure: float
    nearest: NearestFound | None = None


@dataclass(frozen=True, kw_only=True)
class CopiesFound:
    """Two pictures that show the same.

    Args:
        rows: their positions among the scored pictures.
        files: their names.
        labels: their classes.
        similarity: cosine of their features.
        likeness: cosine of their sketches; 1 for equal pictures.
    """

    rows: tuple[int, int]
    files: tuple[str, str]
    labels: tuple[str, str]
    similarity: float
    likeness: float


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found of a folder's pictures and classes.

    Args:
        folder: that it is of.
        evaluation: name of the scores.
        held_out: whether these are the given pictures, scored by folds that did not train on them.
        pictures: how many were scored.
        right: how many are right.
        classes: in label order.
        confused: the most confused pairs.
        wrong: the most wrong pictures, the most wrong first.
        contradictions: near-copies with different labels.
        repeats: near-copies with the same label, how many; None where pictures couldn't be looked at.
        names: the closest pairs of class names; None where the backbone isn't here.
        curve: accuracy by number of pictures; None where it couldn't be had.
        notes: what could not be looked at, and why.
    """

    folder: str
    evaluation: str
    held_out: bool
    pictures: int
    right: int
    classes: tuple[ClassFound, ...]
    confused: tuple[PairFound, ...]
    wrong: tuple[WrongPicture, ...]
    contradictions: tuple[CopiesFound, ...] = ()
    repeats: int | None = None
    names: tuple[NamePair, ...] | None = None
    curve: LearningCurve | None = None
    notes: tuple[str, ...] = ()
