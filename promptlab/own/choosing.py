"""All candidates scored on the same held-out pictures, and the one that is taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptlab.evaluation.metrics import evaluate_scores
from promptlab.own.adapted import CandidateScores
from promptlab.own.candidates import BLIND, Candidate
from promptlab.own.held_out import Budget, OverBudgetError, Problem, held_out_logits
from promptlab.own.one_standard_error import WithinNoise, class_weights, simplest_within_noise
from promptlab.support.arrays import BoolArray, IntArray
from promptlab.support.words import counted

Advance = Callable[[float, str], None]
SINGLE_PICTURES = "every class has a single picture, and none can be held out"
ONE_GROUP_EACH = (
    "of no class a picture can be held out: all those of a class belong together, as copies of one picture or by their "
    "group"
)


@dataclass(frozen=True)
class Chosen:
    """What is to be fitted on everything.

    Args:
        candidate: it.
        reason: why it, in a sentence.
        scores: what all candidates scored, in their order.
        logits: (H, C) its logits of the H held-out pictures; H = 0 if it has none.
    """

    candidate: Candidate
    reason: str
    scores: tuple[CandidateScores, ...]
    logits: Tensor


def choose(problem: Problem, candidates: Sequence[Candidate], budget: Budget, advance: Advance) -> Chosen:
    """Score candidates and take the simplest within noise of the best.

    Args:
        problem: the pictures and their folds.
        candidates: the simplest first; one alone is taken, whatever it scores.
        budget: the time for all of it.
        advance: is told of shares of fits, and of what is being fitted.
    """
    none = torch.empty(0, len(problem.class_names))
    if problem.n_folds == 0:
        blind = next((one for one in candidates if one.name == BLIND), candidates[0])
        why = _why_nothing(problem)
        reason = f"{why}, so nothing could be compared"
        if len(candidates) > 1:
            reason = f"{blind.name}, which starts from the names and stays near them: {reason}"
        return Chosen(blind, reason, tuple(_unscored(one, why) for one in candidates), none)
    tried = [_tried(problem, candidate, budget, advance) for candidate in candidates]
    scored = [one for one in tried if one.logits is not None]
    if not scored:
        reason = f"{candidates[0].name} was asked for; it has no held-out scores: {tried[0].left_out}"
        return Chosen(candidates[0], reason, tuple(one.left for one in tried), none)
    labels, folds = problem.items.labels[problem.held_out], problem.folds[problem.held_out]
    right = [one.predicted == labels for one in scored]
    found = simplest_within_noise(right, labels, folds)
    places = {id(one): place for place, one in enumerate(scored)}
    scores = tuple(_scores(one, problem, found, places[id(one)]) if id(one) in places else one.left for one in tried)
    chosen = scored[found.chosen]
    hits = _hits(right[found.chosen], labels)
    reason = _reason(found, [one.candidate.name for one in scored], hits, asked=len(candidates) == 1)
    return Chosen(chosen.candidate, reason, scores, chosen.known)


def _why_nothing(problem: Problem) -> str:
    """Why no picture is held out."""
    return SINGLE_PICTURES if np.bincount(problem.items.labels).max() == 1 else ONE_GROUP_EACH


@dataclass(frozen=True)
class _Tried:
    """What came of a candidate: logits (H, C) of the held-out pictures, or why there are none."""

    candidate: Candidate
    logits: Tensor | None
    left_out: str | None
    seconds: float

    @property
    def known(self) -> Tensor:
        assert self.logits is not None
        return self.logits

    @property
    def predicted(self) -> IntArray:
        labels: IntArray = self.known.argmax(1).numpy()
        return labels

    @property
    def left(self) -> CandidateScores:
        return _unscored(self.candidate, self.left_out, self.seconds)


def _tried(problem: Problem, candidate: Candidate, budget: Budget, advance: Advance) -> _Tried:
    began, done = time.monotonic(), 0.0
    logits: Tensor | None = None
    left_out: str | None = None

    def tick(share: float) -> None:
        nonlocal done
        done += share
        fold = min(math.floor(done) + 1, problem.n_folds)
        advance(share, f"{candidate.name}, fold {fold} of {problem.n_folds}")

    try:
        logits = held_out_logits(problem, candidate, budget, tick)
    except (OverBudgetError, FloatingPointError) as error:
        left_out = str(error)
        advance(problem.n_folds - done, candidate.name)
    return _Tried(candidate, logits, left_out, time.monotonic() - began)


def _scores(one: _Tried, problem: Problem, found: WithinNoise, place: int) -> CandidateScores:
    labels, folds = problem.items.labels[problem.held_out], problem.folds[problem.held_out]
    right = one.predicted == labels
    metrics = evaluate_scores(one.known, torch.from_numpy(labels))
    return CandidateScores(
        name=one.candidate.name,
        title=one.candidate.title,
        accuracy=metrics.top1,
        mean_class_accuracy=metrics.mean_class_accuracy,
        fold_accuracies=tuple(float(right[folds == fold].mean()) for fold in range(problem.n_folds)),
        behind=found.behind[place],
        noise=found.noise[place],
        seconds=one.seconds,
    )


def _unscored(candidate: Candidate, why: str | None, seconds: float = 0.0) -> CandidateScores:
    return CandidateScores(name=candidate.name, title=candidate.title, left_out=why, seconds=seconds)


def _hits(right: BoolArray, labels: IntArray) -> str:
    """How many are right; where classes have unequal counts also the mean over classes, which is what is compared."""
    said = f"{int(right.sum())} of {counted(len(labels), 'held-out picture')} right"
    if len(set(np.bincount(labels).tolist()) - {0}) == 1:
        return said
    return f"{said}, {100 * float((class_weights(labels) * right).mean()):.1f} % by class"


def _reason(found: WithinNoise, names: Sequence[str], hits: str, *, asked: bool) -> str:
    name, best = names[found.chosen], names[found.best]
    if asked:
        return f"{name} was asked for; it gets {hits}"
    if found.chosen != found.best:
        behind, noise = (100 * values[found.chosen] for values in (found.behind, found.noise))
        return (
            f"{name} gets {hits}, {behind:.1f} points behind {best}, the best: within "
            f"noise ({noise:.1f}), where the simplest is taken"
        )
    if found.chosen == 0:
        return f"{name} gets {hits}; none is better, and none is simpler"
    return f"{name} gets {hits}; whatever is simpler lies behind by more than noise"
