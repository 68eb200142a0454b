"""Runs whose classes have unequal numbers of training images, and losses that make up for it."""

import pytest

from promptlab.config.choice import Choice
from promptlab.config.same import settings_key
from promptlab.learners import TaskRes, TipAdapter
from promptlab.learners.base.optim import Optim
from promptlab.protocols import few_shot
from promptlab.runs.run import run
from promptlab.support.errors import UsageError
from tests.helpers.settings import settings_of, small_settings

LEARNER = Choice(TaskRes, {"optim": Choice(Optim, {"epochs": 2, "warmup_epochs": 0})})
LONG = Choice(few_shot, {"draw": "long_tail", "imbalance": 4.0})


def settings(folder, learner=LEARNER, **changes):
    return small_settings(learner, folder, **{"protocol": LONG, "shots": 4, "views": 0, **changes})


def test_a_result_says_how_many_images_each_class_had(tmp_path):
    result = run(settings(tmp_path)).result
    assert sorted(result.class_images, reverse=True) == [4, 3, 2, 2, 1, 1, 1, 1]
    assert any(note.startswith("draw: long_tail with an imbalance of 4, 1 to 4 training images a class") for note in
               result.notes)  # fmt: skip
    whole = run(settings(tmp_path, protocol=Choice(few_shot))).result
    assert whole.fit_id != result.fit_id
    assert set(whole.class_images) == {4}


def test_a_balance_is_part_of_the_fit(tmp_path):
    runs = [run(settings(tmp_path, balance=name)).result for name in ("none", "class_weights", "logit_adjustment")]
    assert len({result.fit_id for result in runs}) == 3
    assert [result.fit.balance for result in runs] == [None, "class_weights", "logit_adjustment"]
    assert len({result.learning_curve[-1].loss for result in runs}) == 3


def test_a_learner_that_takes_none_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="balance=class_weights: TipAdapter is trained by no gradient"):
        run(settings(tmp_path, Choice(TipAdapter, {"search": False}), balance="class_weights"))
    assert not any(tmp_path.iterdir())


def test_settings_from_before_the_new_keys_mean_the_same_run():
    """A sweep finds what an earlier version finished."""
    words = ["protocol=few_shot"]
    now = settings_of(words).as_document()
    before = {key: value for key, value in now.items() if key not in ("balance", "calibration")}
    before["protocol"] = {key: value for key, value in now["protocol"].items() if key not in ("draw", "imbalance")}
    assert before != now
    assert settings_key(before) == settings_key(now)
    for word in ("balance=class_weights", "calibration=temperature", "protocol.draw=natural"):
        assert settings_key(settings_of([*words, word]).as_document()) != settings_key(now)
