"""A run's temperature: what it is fitted on, where it is kept, and what it can't be fitted on."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from promptlab import load_learner
from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError
from promptlab.data.items import Items
from promptlab.evaluation.calibration import calibration_errors
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.temperature import fit_temperature
from promptlab.learners import TaskRes, TipAdapter, ZeroShot
from promptlab.learners.base.optim import Optim
from promptlab.results.document import Result, ResultError
from promptlab.runs import fit as fitting
from promptlab.runs.parts import build_learner, open_parts
from promptlab.runs.run import run
from promptlab.runs.temperature import held_out, spread_folds
from promptlab.runs.tracker import scores_of
from promptlab.support.typed_json import to_plain
from tests.helpers.settings import small_settings

TIP = Choice(TipAdapter, {"search": False})


def settings(folder, learner=TIP, **changes):
    return small_settings(learner, folder, **{"calibration": "temperature", "views": 0, **changes})


@pytest.fixture
def fits(monkeypatch):
    """What each fit trained on and with."""
    seen, fit = [], fitting.fit

    def watched(learner, train, **more):
        seen.append((train, more))
        return fit(learner, train, **more)

    monkeypatch.setattr(fitting, "fit", watched)
    return seen


def test_it_is_fitted_on_validation_images_and_kept_with_the_learner(tmp_path, fits):
    outcome = run(settings(tmp_path))
    result, parts = outcome.result, open_parts(settings(tmp_path))
    learner = load_learner(outcome.folder)
    chosen = logits_of(learner, parts.val), torch.from_numpy(parts.val.labels)
    expected = fit_temperature(*(tensor.numpy() for tensor in chosen))
    assert calibration_errors(*chosen, expected).nll < calibration_errors(*chosen).nll
    assert len(fits) == 1
    assert result.temperature.value == pytest.approx(expected)
    assert result.temperature.chosen_on == f"{len(parts.val)} validation images"
    assert learner.decision.temperature == result.temperature.value
    (part,) = result.evaluations.values()
    test = parts.task.evaluations[0].items
    logits, labels = logits_of(learner, test), torch.from_numpy(test.labels)
    assert scores_of(result)["test/nll_after"] == part.calibrated.nll
    assert vars(part.uncalibrated) == pytest.approx(vars(calibration_errors(logits, labels)), rel=1e-4)
    assert vars(part.calibrated) == pytest.approx(vars(calibration_errors(logits, labels, expected)), rel=1e-4)


def test_it_is_part_of_the_fit_and_changes_nothing_else(tmp_path):
    plain, calibrated = run(settings(tmp_path, calibration="none")), run(settings(tmp_path))
    assert plain.folder != calibrated.folder
    assert plain.result.temperature is None
    assert plain.result.fit.calibration is None
    (own,), (other,) = (outcome.result.evaluations.values() for outcome in (plain, calibrated))
    assert (own.metrics, own.uncalibrated, own.calibrated) == (other.metrics, other.uncalibrated, None)
    assert load_learner(plain.folder).decision.temperature == 1
    again = run(settings(tmp_path))
    assert (again.fresh, again.result) == (False, calibrated.result)


def test_an_evaluation_that_is_scored_later_has_the_temperature_of_the_fit(tmp_path, fits):
    first = run(settings(tmp_path))
    (first.folder / "result.json").rename(first.folder / "unfinished.json")
    (first.folder / "predictions-test.safetensors").unlink()
    again = run(settings(tmp_path))
    assert len(fits) == 1
    assert again.result.evaluations == first.result.evaluations
    assert load_learner(again.folder).decision == load_learner(first.folder).decision
    assert again.result.temperature == first.result.temperature


def test_without_validation_images_folds_are_held_out_of_training(tmp_path, fits):
    result = run(settings(tmp_path, val="none", shots=3)).result
    parts = open_parts(settings(tmp_path, val="none", shots=3))
    (whole, _), *folds = fits
    assert whole.content_ids() == parts.train.content_ids()
    assert len(folds) == 3
    trained = Counter(content for items, _ in folds for content in items.content_ids())
    assert set(trained.values()) == {2}  # each image is held out once
    logits = torch.zeros(0, 8)
    labels = []
    for items, more in folds:
        assert more.get("val") is None
        left = [i for i, content in enumerate(parts.train.content_ids()) if content not in set(items.content_ids())]
        learner = build_learner(parts)
        fitting.fit(learner, items, views=0, trainer={})
        logits = torch.cat([logits, logits_of(learner, parts.train.take(left))])
        labels += parts.train.labels[left].tolist()
    assert result.temperature.value == pytest.approx(fit_temperature(logits.numpy(), np.array(labels)), rel=1e-5)
    assert result.temperature.images == 24
    assert "each held out from one of 3 fits" in result.temperature.chosen_on


def test_a_learner_that_trains_nothing_scores_the_training_images(tmp_path, fits):
    result = run(settings(tmp_path, Choice(ZeroShot), val="none", shots=1)).result
    assert [train for train, _ in fits] == [fits[0][0]]
    assert result.temperature.chosen_on == "8 training images"


def test_where_nothing_can_be_held_out_it_is_refused_before_training(tmp_path, fits):
    with pytest.raises(
        ConfigError, match="calibration=temperature: val=none, and a class has one training image alone"
    ):
        run(settings(tmp_path, val="none", shots=1))
    assert not fits
    parts = open_parts(settings(tmp_path))
    nothing = replace(parts, train=parts.train.take([]), val=None)
    with pytest.raises(ConfigError, match="and no training images: use calibration=none"):
        held_out(build_learner(parts), nothing)


def test_tested_images_choose_nothing(tmp_path):
    parts = open_parts(settings(tmp_path, shots=2))
    learner = build_learner(parts)
    assert held_out(learner, parts) == "validation"
    test = parts.task.evaluations[0].items
    assert held_out(learner, replace(parts, val=test)) == "folds"
    assert held_out(learner, replace(parts, dataset=replace(parts.dataset, val_is_test=True))) == "folds"


class Contents:
    """Images of which every second one is the copy of the one before."""

    def __len__(self):
        return 40

    def content_ids(self, indices):
        return [str(int(index) // 2) for index in indices]


def test_copies_are_held_out_together_and_no_fold_loses_a_class():
    items = Items(Contents(), np.arange(40), np.arange(40) // 4 % 5)
    folds = spread_folds(items, 3, seed=1)
    assert sorted(place for fold in folds for place in fold) == list(range(40))
    assert {len(fold) for fold in folds} <= {12, 14}
    for fold in folds:
        assert {place // 2 for place in fold} == {place // 2 for place in fold if place + (1, -1)[place % 2] in fold}
        assert set(np.delete(items.labels, fold)) == set(range(5))


def test_a_gradient_learner_is_fitted_for_each_fold(tmp_path):
    learner = Choice(TaskRes, {"optim": Choice(Optim, {"epochs": 2, "warmup_epochs": 0})})
    plain = run(settings(tmp_path, learner, val="none", calibration="none"))
    found = run(settings(tmp_path, learner, val="none"))
    assert found.result.learning_curve == plain.result.learning_curve  # of the fit on all images alone
    own, other = (load_learner(outcome.folder) for outcome in (plain, found))
    assert torch.equal(own.residuals, other.residuals)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": None}, "temperature is None, but the fit says calibration=temperature"),
        ({"class_images": (9,) * 8}, "class_images add up to 72, but there are 16"),
        ({"class_images": (8, 8)}, "class_images has 2 numbers, there are 8 classes"),
    ],
)
def test_what_cant_be_is_refused(tmp_path, change, message):
    result = run(settings(tmp_path)).result
    assert Result.from_json(result.to_json()) == result
    with pytest.raises(ResultError, match=message):
        Result.from_json(replace(result, **change).to_json())
    assert to_plain(result)["class_images"] == [2] * 8


def test_a_card_that_is_written_again_has_it(tmp_path):
    outcome = run(settings(tmp_path))
    decision = load_learner(outcome.folder).decision
    assert decision.temperature != 1
    (outcome.folder / "card.json").unlink()
    assert not run(settings(tmp_path)).fresh
    assert load_learner(outcome.folder).decision == decision
