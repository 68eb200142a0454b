"""Held-out logits: each by a fit that never saw its fold, as that fit made alone gives them; and the budget."""

import numpy as np
import pytest
import torch

import promptlab
import promptlab.own.held_out
from promptlab.own.candidates import candidate_named
from promptlab.own.fitting import choose_and_fit
from promptlab.own.folds import ALWAYS_TRAINED, folds_of
from promptlab.own.held_out import Budget, OverBudgetError, Problem, fitted, held_out_logits
from tests.helpers.quick_candidates import QUICK


@pytest.fixture(scope="module")
def problem():
    data = promptlab.demo_dataset("demo_textures")
    items = data.train.only([0, 1, 2])
    items = items.take([row for label in (0, 1, 2) for row in np.flatnonzero(items.labels == label)[: 5 - 2 * label]])
    folds = folds_of(items.labels, np.arange(len(items)), seed=1, most=3)
    names = data.class_names[:3]
    return Problem(promptlab.load_clip("demo"), items, names, data.template, folds, 0, 1, promptlab.FeatureBank())


def test_a_picture_alone_in_its_class_is_in_no_fold(problem):
    assert problem.items.labels.tolist() == [0] * 5 + [1] * 3 + [2]
    assert problem.folds[-1] == ALWAYS_TRAINED
    assert problem.held_out.tolist() == list(range(8))
    assert problem.n_folds == 3


def test_every_fold_is_fitted_on_all_others_and_scored_alone(problem, monkeypatch):
    trained = []
    fit = promptlab.own.held_out.fit

    def watched(learner, items, **options):
        trained.append(set(items.content_ids()))
        return fit(learner, items, **options)

    monkeypatch.setattr(promptlab.own.held_out, "fit", watched)
    logits = held_out_logits(problem, QUICK[2], Budget(1), lambda share: None)
    ids = np.array(problem.items.content_ids())
    for fold in range(3):
        assert trained[fold] == set(ids[problem.folds != fold])
        assert not trained[fold] & set(ids[problem.folds == fold])
    alone = fitted(problem, QUICK[2], np.flatnonzero(problem.folds != 1), lambda share: None)
    by_hand = alone(problem.bank.features(problem.clip, problem.items)).detach()
    assert torch.allclose(logits[problem.folds[problem.held_out] == 1], by_hand[problem.folds == 1], atol=1e-4)


def test_shares_of_a_fit_add_up_to_one(problem):
    for candidate, epochs in ((QUICK[0], 0), (QUICK[1], 2), (QUICK[3], 2)):
        shares = []
        fitted(problem, candidate, range(9), shares.append)
        assert sum(shares) == pytest.approx(1)
        assert len(shares) == epochs + 1


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_a_fit_beyond_its_share_is_ended_and_says_which(problem):
    budget = Budget(20 / 60, Clock())
    with pytest.raises(OverBudgetError, match=r"the fit of fold 1 of 3 took more than 5 s, its share of the budget"):
        held_out_logits(problem, candidate_named("clap"), budget, lambda share: None)


def test_what_is_left_is_shared_among_the_fits_that_are_left():
    budget = Budget(1, lambda: 0.0)
    assert budget.share(4) == 15
    assert Budget(1, iter([0.0, 45.0]).__next__).share(3) == 5
    assert Budget(1, iter([0.0, 90.0]).__next__).share(3) == 0


def test_candidates_beyond_the_budget_are_left_out_and_the_rest_is_chosen_from(problem):
    outcome = choose_and_fit(problem, QUICK, budget=1e-9)
    zero_shot, *others = outcome.chosen.scores
    assert zero_shot.accuracy is not None
    assert outcome.chosen.candidate.name == "zero_shot"
    assert all(one.accuracy is None and "its share of the budget" in one.left_out for one in others)
    assert outcome.learner.decision.chosen_on == "8 held-out pictures of 3 folds"


def test_one_that_was_asked_for_is_fitted_even_without_scores(problem):
    outcome = choose_and_fit(problem, QUICK[3:], budget=1e-9)
    assert outcome.chosen.reason.startswith("coop was asked for; it has no held-out scores: the fit of fold 1")
    assert outcome.learner.decision == promptlab.ZeroShot.decision  # as it was made
    assert outcome.honesty is None


def test_a_loss_that_is_no_number_leaves_a_candidate_out(problem, monkeypatch):
    def diverges(*_, **__):
        raise FloatingPointError("the loss is no number")

    monkeypatch.setattr("promptlab.own.choosing.held_out_logits", diverges)
    outcome = choose_and_fit(problem, QUICK[:1], budget=1)
    assert outcome.chosen.scores[0].left_out == "the loss is no number"


def test_the_temperature_makes_held_out_pictures_likelier(problem):
    outcome = choose_and_fit(problem, QUICK[2:3], budget=1)
    assert outcome.honesty.nll <= outcome.honesty.nll_before
    assert outcome.learner.decision.temperature == outcome.honesty.temperature
