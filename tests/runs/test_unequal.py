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


@pytest.mark.parametrize("protocol", ["few_shot", "cross_dataset"])
def test_settings_from_before_the_new_keys_mean_the_same_run(protocol):
    """A sweep finds what an earlier version finished."""
    words = [f"protocol={protocol}"]
    now = settings_of(words).as_document()
    before = {key: value for key, value in now.items() if key not in ("balance", "calibration")}
    later = ("draw", "imbalance", "rule", "lists")
    before["protocol"] = {key: value for key, value in now["protocol"].items() if key not in later}
    assert before != now
    assert settings_key(before) == settings_key(now)
    for word in ("balance=class_weights", "calibration=temperature", "protocol.rule=repeated"):
        assert settings_key(settings_of([*words, word]).as_document()) != settings_key(now)


@pytest.mark.parametrize("name", ["clip_lora", "mmrl", "prograd", "tcp", "two_stage"])
def test_settings_from_before_a_learners_new_keys_mean_the_same_run(name):
    """What a learner says was added later is as absent from what tells runs as it is from ids."""
    settings = settings_of([f"learner={name}"])
    now = settings.as_document()
    later = settings.learner_class.added_later
    old = {key: value for key, value in now["learner"].items() if key not in later or value != later[key]}
    assert old != now["learner"]
    assert settings_key({**now, "learner": old}) == settings_key(now)
