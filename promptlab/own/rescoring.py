"""What was right before a class came, scored again with it: pictures with logits that none of them was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from promptlab.data.items import Items
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.evaluate import logits_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.adapted import HELD_OUT
from promptlab.own.added import Rescored, read_added
from promptlab.own.evidence import Evidence, read_evidence
from promptlab.own.known_pictures import pictures_of_added
from promptlab.results.logits import logits_name, read_logits
from promptlab.support.words import some_of

_WHAT = {HELD_OUT: "held out, each by a fold that didn't train on it"}
_NOTHING = "no scored pictures are at hand"


@dataclass(frozen=True, eq=False)
class ScoredBefore:
    """M pictures of a learner's classes.

    Args:
        items: them, with their labels.
        logits: (M, K) of the learner's first K classes, of pictures that weren't trained on; K may be 0.
        what: which pictures, in words.
    """

    items: Items
    logits: Tensor
    what: str


def evidence_of(folder: Path, learner: PromptLearner) -> Evidence | None:
    """Scored pictures of exactly the learner's classes, or of those that it had before others came."""
    if not any(folder.glob("predictions-*.safetensors")):
        return None
    evidence = read_evidence(folder)
    names = evidence.predictions.class_names
    return evidence if names == learner.class_names[: len(names)] else None


def rescored(
    learner: PromptLearner, grown: PromptLearner, evidence: Evidence | None, folder: Path, bank: FeatureBank
) -> Rescored:
    """What was right and stays right; nothing is said yet of the new class's own pictures.

    Args:
        learner: as it was.
        grown: with one class more.
        evidence: scored pictures of the learner's first classes.
        folder: of the learner, with the record of classes that came later.
        bank: the feature cache.
    """
    parts = [*_of_evidence(evidence), *_of_added(folder, learner)]
    right = still = 0
    for part in parts:
        labels, n_scored = torch.from_numpy(part.items.labels), part.logits.shape[1]
        before, after = (
            torch.cat([part.logits, logits_of(each, part.items, bank)[:, n_scored:]], 1) for each in (learner, grown)
        )  # (M, C), (M, C + 1)
        was = before.argmax(1) == labels
        right += int(was.sum())
        still += int((was & (after.argmax(1) == labels)).sum())
    what = "; ".join(dict.fromkeys(part.what for part in parts)) or _NOTHING
    return Rescored(pictures=what, right=right, still_right=still, own=0, own_right=0, own_how="")


def _of_evidence(evidence: Evidence | None) -> Iterator[ScoredBefore]:
    """Held-out logits where there are some; else the learner's own are all that is known."""
    if evidence is not None and evidence.pictures is not None:
        kept = evidence.folder / logits_name(evidence.evaluation)
        logits = torch.zeros(len(evidence.rows), 0)
        if kept.is_file():
            logits = torch.from_numpy(read_logits(kept).logits)[evidence.rows]
        yield ScoredBefore(evidence.pictures, logits, _WHAT.get(evidence.evaluation, evidence.evaluation))


def _of_added(folder: Path, learner: PromptLearner) -> Iterator[ScoredBefore]:
    """Pictures of classes that came later, by the logits that were kept when they came."""
    classes = [one for one in read_added(folder).classes if one.logits and one.name in learner.class_names]
    what = f"those of {some_of([one.name for one in classes], 3)}, added since, each without itself"
    for one in classes:
        label = learner.class_names.index(one.name)
        items, rows = pictures_of_added(one, Reading(**learner.reading), label)
        if len(rows) and {len(row) for row in one.logits} == {label + 1}:
            yield ScoredBefore(items, torch.tensor(one.logits)[torch.from_numpy(rows)], what)
