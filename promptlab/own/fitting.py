"""Choose a learner on held-out pictures, fit it on all of them, and make its probabilities honest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.evaluation.metrics import evaluate_scores
from promptlab.evaluation.temperature import fit_temperature
from promptlab.learners.base.decision import Decision
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.adapted import Honesty
from promptlab.own.candidates import CANDIDATES, Candidate
from promptlab.own.choosing import Chosen, choose
from promptlab.own.held_out import Budget, Problem, fitted
from promptlab.support.progress import step_progress
from promptlab.support.words import counted

BUDGET = 20.0
"""Minutes that the choice may take."""


@dataclass(frozen=True)
class Outcome:
    """A learner, and what is known about it.

    Args:
        learner: fitted on all pictures, with its temperature.
        chosen: why it, and what the others scored.
        honesty: of its probabilities; None if nothing was held out.
        seconds: by phase.
    """

    learner: PromptLearner
    chosen: Chosen
    honesty: Honesty | None
    seconds: Mapping[str, float]


def choose_and_fit(
    problem: Problem,
    candidates: Sequence[Candidate] = CANDIDATES,
    *,
    others: Sequence[str] = (),
    budget: float = BUDGET,
) -> Outcome:
    """Choose among candidates by cross-validation, fit the chosen one on everything, fit a temperature.

    Args:
        problem: the pictures, their folds and the backbone.
        candidates: the simplest first; one alone is taken, and scored on held-out pictures all the same.
        others: classes that stand for "none of these".
        budget: minutes that the choice may take; candidates that don't fit in are left out.
    """
    times = [time.monotonic()]
    with step_progress("choosing", len(candidates) * problem.n_folds + 1, "fits") as advance:
        chosen = choose(problem, candidates, Budget(budget), advance)
        times.append(time.monotonic())
        what = f"{chosen.candidate.name}, on all pictures"
        learner = fitted(problem, chosen.candidate, range(len(problem.folds)), lambda share: advance(share, what))
        times.append(time.monotonic())
    honesty = None
    learner.decision = Decision(others=tuple(others))
    if len(chosen.logits):
        honesty = honesty_of(chosen.logits, torch.from_numpy(problem.items.labels[problem.held_out]))
        said = f"{counted(len(chosen.logits), 'held-out picture')} of {counted(problem.n_folds, 'fold')}"
        learner.decision = Decision(temperature=honesty.temperature, others=tuple(others), chosen_on=said)
    phases = zip(("choose", "fit"), times[:-1], times[1:], strict=True)
    return Outcome(learner, chosen, honesty, {name: end - start for name, start, end in phases})


def honesty_of(logits: Tensor, labels: Tensor) -> Honesty:
    """A temperature, and how honest probabilities are without and with it.

    Args:
        logits: (H, C) of held-out pictures.
        labels: (H,) their classes.
    """
    temperature = fit_temperature(logits.numpy(), labels.numpy())
    before, after = (evaluate_scores(logits / value, labels).reliability.ece for value in (1.0, temperature))
    losses = [float(F.cross_entropy(logits.double() / value, labels)) for value in (1.0, temperature)]
    return Honesty(temperature=temperature, ece=after, ece_before=before, nll=losses[1], nll_before=losses[0])
