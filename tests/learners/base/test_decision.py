"""How logits become answers, and that a saved learner remembers it."""

from dataclasses import replace

import pytest
import torch

import promptlab
from promptlab.evaluation.predicted import Predicted
from promptlab.learners.base.decision import ALWAYS, Decision
from promptlab.saved.card import CardError, read_card
from promptlab.support.errors import UsageError

LOGITS = torch.tensor([[4.0, 0.0, 0.0], [1.0, 0.9, 0.0], [0.0, 0.0, 9.0]])
NAMES = ("cat", "dog", "background")


def test_without_choices_the_most_probable_class_is_the_answer():
    assert ALWAYS.answers(LOGITS, NAMES) == ("cat", "cat", "background")
    torch.testing.assert_close(ALWAYS.probabilities(LOGITS), LOGITS.softmax(1))


def test_temperature_then_threshold_then_others():
    decision = Decision(temperature=0.5, threshold=0.55, others=("background",))
    torch.testing.assert_close(decision.probabilities(LOGITS), (2 * LOGITS).softmax(1))
    assert decision.answers(LOGITS, NAMES) == ("cat", None, None)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature": float("nan")}, {"threshold": 1.5}])
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Decision(**wrong)


def test_predictions_follow_it():
    predicted = Predicted.of(LOGITS, NAMES, "abc", Decision(threshold=0.9))
    assert predicted.names == ("cat", None, "background")
    assert "none of these" in repr(predicted)
    assert predicted.rows()[1] == {
        "picture": "b",
        "name": None,
        "probability": pytest.approx(LOGITS[1].softmax(0)[0].item()),
    }


def test_a_saved_learner_remembers_it(tmp_path):
    clip = promptlab.load_clip("demo")
    learner = promptlab.ZeroShot(clip, NAMES)
    assert read_card(learner.save_pretrained(tmp_path / "usual") / "card.json").decision is None
    learner.decision = Decision(temperature=1.7, threshold=0.25, others=("background",), chosen_on="5 folds")
    learner.save_pretrained(tmp_path / "chosen")
    assert promptlab.load_learner(tmp_path / "chosen", clip=clip).decision == learner.decision
    assert learner.select([0, 1]).decision == learner.decision


def test_a_card_with_a_wrong_one_is_refused(tmp_path):
    learner = promptlab.ZeroShot(promptlab.load_clip("demo"), NAMES)
    card = replace(read_card(learner.save_pretrained(tmp_path) / "card.json"), decision=Decision(temperature=2.0))
    object.__setattr__(card.decision, "temperature", -1.0)
    (tmp_path / "card.json").write_text(card.to_json())
    with pytest.raises(CardError, match="temperature"):
        read_card(tmp_path / "card.json")
