"""A teacher's backbone: in the card by its fingerprint, in the fit's id, beside the student's on the same pictures."""

import json

import pytest

import promptlab
from promptlab.clip import UnsupportedBackboneError
from promptlab.config.choice import Choice
from promptlab.learners import OtherBackbone
from promptlab.learners.base.contract import LearnerContract
from promptlab.runs.facts import arguments_of
from promptlab.saved.load import load_learner
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Taught

DEMO = OtherBackbone(name="demo")


class TestTaught(LearnerContract):
    learner, arguments = Taught, {"teacher": DEMO}
    test_a_new_process_scores_the_same = None


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


def test_the_card_says_which_weights_taught(clip, tmp_path):
    learner = Taught(clip, ["ring", "star"], teacher=DEMO)
    learner.save_pretrained(tmp_path / "kept")
    card = json.loads((tmp_path / "kept" / "card.json").read_text())
    assert card["arguments"]["teacher"]["fingerprint"] == clip.fingerprint
    assert not any("taught" in name for name in learner.learned_tensors())
    again = load_learner(tmp_path / "kept", clip, learner=Taught)
    assert again.arguments["teacher"].fingerprint == clip.fingerprint


def test_other_weights_are_refused(clip):
    other = OtherBackbone(name="demo", fingerprint="0123456789abcdef")
    with pytest.raises(
        UnsupportedBackboneError, match=f"demo has fingerprint {clip.fingerprint}, and 0123456789abcdef"
    ):
        Taught(clip, ["ring", "star"], teacher=other)


def test_both_see_the_same_pictures():
    larger = tiny_clip()
    larger.model.visual.image_size = (64, 64)
    with pytest.raises(UnsupportedBackboneError, match="backbone demo reads pictures of image_size 32, and tiny of 64"):
        DEMO.beside(larger)
    assert DEMO.beside(tiny_clip()).name == "demo"


def test_a_fits_arguments_hold_the_fingerprint(clip):
    for teacher in (Choice(OtherBackbone, {"name": "demo"}), DEMO):
        arguments = arguments_of(Choice(Taught, {"teacher": teacher}))
        assert arguments["teacher"]["fingerprint"] == clip.fingerprint
        assert arguments["teacher"]["name"] == "demo"
