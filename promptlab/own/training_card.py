"""What a learner's card says of how it was adapted, wherever the card goes alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from promptlab.own.adapted import HELD_OUT
from promptlab.own.fitting import Outcome
from promptlab.own.held_out import Problem
from promptlab.results.ids import canonical_json
from promptlab.saved.card import TrainingCard
from promptlab.support.words import printable


def training_card(name: str, problem: Problem, outcome: Outcome) -> TrainingCard:
    """The training of a learner that was chosen and fitted on N pictures.

    Args:
        name: of the pictures.
        problem: as they were learned.
        outcome: what came of it.
    """
    chosen, labels = outcome.chosen.candidate.name, problem.items.labels
    counts = np.unique(labels, return_counts=True)[1].tolist()
    pictures = [list(pair) for pair in zip(problem.items.content_ids(), labels.tolist(), strict=True)]
    what = [chosen, problem.class_names, problem.template, pictures, problem.views, problem.seed]
    scores = next(one for one in outcome.chosen.scores if one.name == chosen)
    return TrainingCard(
        dataset=printable(name),
        protocol="adapt",
        shots=counts[0] if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}",
        seed=problem.seed,
        views=problem.views,
        train_images=len(labels),
        fit_id=short_id([*what, problem.clip.fingerprint]),
        top1=None if scores.accuracy is None else {HELD_OUT: scores.accuracy},
    )


def short_id(what: list[Any]) -> str:
    """16 hex digits that follow from plain values."""
    return hashlib.sha256(canonical_json(what).encode()).hexdigest()[:16]
