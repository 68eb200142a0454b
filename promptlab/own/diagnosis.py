"""Which pictures hurt, which classes are taken for which, and whether more pictures would help."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptlab.clip.frozen import FrozenCLIP
from promptlab.features.bank import FeatureBank
from promptlab.own.class_names_known import nearest_names, recalls_by_name
from promptlab.own.copies import joined
from promptlab.own.diagnosed import MOST, ClassFound, CopiesFound, Diagnosis, PairFound
from promptlab.own.evidence import Evidence, read_evidence
from promptlab.own.learning_curve import learning_curve
from promptlab.own.look_alikes import Copies, look_alikes
from promptlab.own.most_wrong import most_wrong
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, ClassTexts
from promptlab.saved.card import CARD_NAME, CardError, read_card
from promptlab.saved.load import backbone_of
from promptlab.support.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from promptlab.support.words import first_line


def diagnose(
    folder: str | Path,
    *,
    evaluation: str | None = None,
    pictures: str | Path | None = None,
    clip: FrozenCLIP | None = None,
    bank: FeatureBank | None = None,
) -> Diagnosis:
    """Look for what hurts in a folder that ``promptlab adapt`` or a run wrote.

    Args:
        folder: it.
        evaluation: name of the scores; ``held_out`` or the first with predictions if None.
        pictures: where the pictures lie, if they were moved.
        clip: the backbone; the one that the card names if None.
        bank: the feature cache; the usual one if None.

    Raises:
        UsageError: if there is no such folder, or it has no such scores.
        ResultError: if a file of it is damaged.

    Example:
        >>> diagnose("no/such/folder")
        Traceback (most recent call last):
        promptlab.support.errors.UsageError: there is no folder no/such/folder
    """
    return diagnosis_of(read_evidence(folder, evaluation, pictures), clip=clip, bank=bank)


def diagnosis_of(evidence: Evidence, *, clip: FrozenCLIP | None = None, bank: FeatureBank | None = None) -> Diagnosis:
    """As :func:`diagnose`, of what was read already."""
    notes = list(evidence.notes)
    class_names = evidence.predictions.class_names
    template = DEFAULT_TEMPLATE
    if (evidence.folder / CARD_NAME).is_file():
        card = read_card(evidence.folder / CARD_NAME)
        template = card.arguments.get("template") or template
        try:
            clip = clip or backbone_of(card)
        except CardError as error:
            notes.append(f"names, copies and the learning curve aren't looked at: {first_line(error)}")
    seen = None if clip is None or evidence.pictures is None else _seen(evidence, clip, bank or FeatureBank())
    texts = None if clip is None else ClassTexts(clip, class_names, template=template).features
    by_name = None
    if seen is not None and texts is not None:
        by_name = recalls_by_name(seen.features, seen.labels, texts)
    return Diagnosis(
        folder=str(evidence.folder),
        evaluation=evidence.evaluation,
        held_out=evidence.is_held_out,
        pictures=len(evidence.labels),
        right=int((evidence.said == evidence.labels).sum()),
        classes=_classes(evidence, by_name),
        confused=_confused(evidence),
        wrong=most_wrong(evidence, None if seen is None else seen.features),
        contradictions=() if seen is None else _contradictions(evidence, seen),
        repeats=None if seen is None else int((~_differ(seen)).sum()),
        names=None if texts is None else nearest_names(texts, class_names),
        curve=None if seen is None else learning_curve(seen.features, seen.labels, _groups(seen)),
        notes=tuple(notes),
    )


def worst_first(found: Diagnosis) -> list[ClassFound]:
    """The classes by rising recall, of equals those with most pictures first; those without pictures last."""
    return sorted(found.classes, key=lambda one: (1.1 if one.recall is None else one.recall, -one.pictures))


@dataclass(frozen=True)
class _Seen:
    """The M pictures that are there: which of the scored ones, their labels, features (M, D), near-copies."""

    rows: IntArray
    labels: IntArray
    features: FloatArray
    copies: Copies


def _seen(evidence: Evidence, clip: FrozenCLIP, bank: FeatureBank) -> _Seen:
    assert evidence.pictures is not None
    features = bank.features(clip, evidence.pictures).numpy()
    return _Seen(evidence.rows, evidence.pictures.labels, features, look_alikes(evidence.pictures, features))


def _groups(seen: _Seen) -> IntArray:
    """(M,) equal for pictures that are copies of one."""
    return joined(len(seen.rows), seen.copies.stars(len(seen.rows)))


def _classes(evidence: Evidence, by_name: DoubleArray | None) -> tuple[ClassFound, ...]:
    names, counts = evidence.predictions.class_names, _counts(evidence)
    found = []
    for label, name in enumerate(names):
        pictures, right = int(counts[label].sum()), int(counts[label, label])
        wrong = counts[label].copy()
        wrong[label] = 0
        known = None if by_name is None or math.isnan(by_name[label]) else float(by_name[label])
        found.append(
            ClassFound(
                name=name,
                pictures=pictures,
                right=right,
                recall=right / pictures if pictures else None,
                taken_for=names[int(wrong.argmax())] if wrong.any() else None,
                by_name=known,
            )
        )
    return tuple(found)


def _confused(evidence: Evidence) -> tuple[PairFound, ...]:
    names, counts = evidence.predictions.class_names, _counts(evidence)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    places = [divmod(int(at), len(names)) for at in order]
    return tuple(
        PairFound(label=names[label], said=names[said], pictures=int(wrong[label, said]),
                  share=float(wrong[label, said] / counts[label].sum()))
        for label, said in places
        if wrong[label, said]
    )  # fmt: skip


def _counts(evidence: Evidence) -> IntArray:
    """(C, C) pictures by label and answer."""
    n_classes = len(evidence.predictions.class_names)
    cells = evidence.labels * n_classes + evidence.said
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def _contradictions(evidence: Evidence, seen: _Seen) -> tuple[CopiesFound, ...]:
    copies = seen.copies
    chosen = np.flatnonzero(_differ(seen))
    order = chosen[np.argsort(-copies.similarities[chosen], kind="stable")][:MOST]
    return tuple(_pair(evidence, seen, int(place)) for place in order)


def _pair(evidence: Evidence, seen: _Seen, place: int) -> CopiesFound:
    one, other = (int(seen.rows[at]) for at in seen.copies.pairs[place])
    names, labels = evidence.predictions.class_names, evidence.labels
    return CopiesFound(
        rows=(one, other),
        files=(evidence.name(one), evidence.name(other)),
        labels=(names[int(labels[one])], names[int(labels[other])]),
        similarity=float(seen.copies.similarities[place]),
        likeness=float(seen.copies.likeness[place]),
    )


def _differ(seen: _Seen) -> BoolArray:
    """(P,) whether two near-copies have different labels."""
    pairs = seen.copies.pairs
    different: BoolArray = seen.labels[pairs[:, 0]] != seen.labels[pairs[:, 1]]
    return different
