"""A candidate scored on pictures that it wasn't trained on: a fit per fold, on features that are encoded once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.evaluation.evaluate import logits_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.candidates import Candidate
from promptlab.own.folds import ALWAYS_TRAINED
from promptlab.support.arrays import IntArray
from promptlab.support.errors import PromptlabError
from promptlab.support.progress import in_words
from promptlab.training.fit import fit

CROP_SCALE = (0.5, 1.0)
"""Share of a picture that a random view shows, for all candidates, so that each view is encoded once."""
Tick = Callable[[float], None]
"""To be called with the share of a fit that was just done; the shares of a fit add up to 1."""


class OverBudgetError(PromptlabError, RuntimeError):
    """A fit that took longer than its share of the budget."""


@dataclass(frozen=True)
class Problem:
    """What is to be learned.

    Args:
        clip: the frozen backbone.
        items: N pictures with labels.
        class_names: names of the C classes.
        template: the hand-written prompt.
        folds: (N,) which fold holds each picture out.
        views: random views of each picture that are trained on; 0 for the evaluation transform alone.
        seed: of the fits.
        bank: where features are.
    """

    clip: FrozenCLIP
    items: Items
    class_names: tuple[str, ...]
    template: str
    folds: IntArray
    views: int
    seed: int
    bank: FeatureBank

    @property
    def held_out(self) -> IntArray:
        """Rows of the pictures that some fold holds out."""
        return np.flatnonzero(self.folds != ALWAYS_TRAINED)

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.folds.max(initial=ALWAYS_TRAINED)) + 1


def encoded(clip: FrozenCLIP, items: Items, views: int, bank: FeatureBank) -> Tensor:
    """Encode what all fits read, with a bar; the answer is the pictures' plain features (N, D)."""
    if views:
        bank.features(clip, items, views=views, crop_scale=CROP_SCALE)
    return bank.features(clip, items)


class Budget:
    """How much time is left for the choice.

    Args:
        minutes: in all.
        clock: seconds.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self.clock = clock() + 60 * minutes, clock

    def share(self, parts: int) -> float:
        """Seconds that one of so many fits may take."""
        return max(self._end - self.clock(), 0.0) / parts


def fitted(problem: Problem, candidate: Candidate, rows: Sequence[int] | IntArray, tick: Tick,
           budget: tuple[Budget, float] | None = None) -> PromptLearner:  # fmt: skip
    """A candidate fitted to some of the pictures.

    Args:
        problem: the pictures, and how they are learned.
        candidate: what is fitted.
        rows: which pictures.
        tick: is told how far the fit is.
        budget: the clock, and the seconds that the fit may take; None for as long as it takes.

    Raises:
        OverBudgetError: if it took longer.
    """
    learner = candidate.make(problem.clip, problem.class_names, problem.template)
    watch = _Watch(tick, budget)
    fit(
        learner,
        problem.items.take(rows),
        bank=problem.bank,
        views=problem.views,
        crop_scale=CROP_SCALE,
        seed=problem.seed,
        trainer={"enable_progress_bar": False, "callbacks": watch},
    )
    watch.finish()
    return learner.eval()


def held_out_logits(problem: Problem, candidate: Candidate, budget: Budget, tick: Tick) -> Tensor:
    """Logits (H, C) of the H held-out pictures, each by the learner that was fitted without its fold.

    A fit may take an equal share of the time that is left, one share being kept for the fit on all pictures.

    Raises:
        OverBudgetError: if one took longer; the message says which.
    """
    logits = torch.empty(len(problem.folds), len(problem.class_names))
    for fold in range(problem.n_folds):
        held_out = np.flatnonzero(problem.folds == fold)
        limit = budget.share(problem.n_folds - fold + 1)
        try:
            learner = fitted(problem, candidate, np.flatnonzero(problem.folds != fold), tick, (budget, limit))
        except OverBudgetError:
            raise OverBudgetError(
                f"the fit of fold {fold + 1} of {problem.n_folds} took more than {in_words(limit)}, its share of the "
                "budget"
            ) from None
        logits[held_out] = logits_of(learner, problem.items.take(held_out), problem.bank)
    return logits[problem.held_out]


class _Watch(Callback):
    """Tells how far a fit is, and ends it when its time is over."""

    def __init__(self, tick: Tick, budget: tuple[Budget, float] | None) -> None:
        self._tick, self._done = tick, 0.0
        self._clock, limit = (time.monotonic, math.inf) if budget is None else (budget[0].clock, budget[1])
        self._end = self._clock() + limit

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Look at the clock."""
        if self._clock() > self._end:
            raise OverBudgetError

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Tell of an epoch."""
        self._advance(self._done + 1 / max(trainer.max_epochs or 1, 1))

    def finish(self) -> None:
        """Tell of what epochs don't tell."""
        self._advance(1.0)

    def _advance(self, done: float) -> None:
        done = min(done, 1.0)
        self._tick(done - self._done)
        self._done = done
