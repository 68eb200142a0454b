"""What the page is told: probabilities as ``predict`` has them, the threshold, names that are asked for, neighbours."""

import shutil

import pytest

import promptlab
from promptlab.app.look import Looker, replaced
from promptlab.learners.base.decision import Decision
from promptlab.own.add_class import add_class
from tests.own.conftest import EVIL


@pytest.fixture(scope="module")
def looker(world, clip, bank):
    return Looker(world / "adapted", clip, bank)


@pytest.fixture(scope="module")
def picture(world):
    return str(next((world / "pictures").glob("green zigzag pattern/3.png")))


def test_it_says_what_predict_says(looker, picture):
    names = "\n".join(looker.learner.class_names)
    found = looker.look(picture, names, 0.0)
    predicted = promptlab.predict(looker.learner, [picture])
    assert found.answer == predicted.names[0]
    assert list(found.probabilities.values()) == pytest.approx(predicted.probabilities[0].tolist())


def test_the_threshold_refuses_and_the_temperature_counts(world, tmp_path, looker, picture, clip, bank):
    names = "\n".join(looker.learner.class_names)
    best = max(looker.look(picture, names, 0.0).probabilities.values())
    assert looker.look(picture, names, min(best + 0.001, 1.0)).answer == "none of these"
    assert looker.look(picture, names, best - 0.001).answer != "none of these"
    shutil.copytree(world / "adapted", tmp_path / "softer")
    learner = promptlab.load_learner(tmp_path / "softer", clip)
    learner.decision = Decision(temperature=5.0, threshold=0.9)
    learner.save_pretrained(tmp_path / "softer")
    softer = Looker(tmp_path / "softer", clip, bank)
    assert softer.learner.decision.threshold == 0.9
    assert max(softer.look(picture, names, 0.0).probabilities.values()) < best
    assert replaced(softer.learner, 0.0).decision == Decision(temperature=5.0)


def test_other_names_are_scored_beside_the_own_ones(looker, picture):
    own = looker.learner.class_names
    found = looker.look(picture, f"{own[0]}\n\n purple dotted pattern \n{own[2]}\n{own[0]}", 0.0)
    assert list(found.probabilities) == [own[0], "purple dotted pattern", own[2]]
    assert looker.look(picture, "x" * 300, 0.0).answer.startswith("at most 1,000 classes")
    assert list(looker.look(picture, "", 0.0).probabilities) == list(own)


def test_names_stay_where_a_learner_takes_no_others(tmp_path, picture, clip, bank):
    promptlab.LinearProbe(clip, ["red circle", "blue star"], c=1.0).save_pretrained(tmp_path)
    found = Looker(tmp_path, clip, bank).look(picture, "something else", 0.0)
    assert list(found.probabilities) == ["red circle", "blue star"]
    assert found.neighbours == ()


def test_the_nearest_picture_is_the_picture_itself(looker, picture):
    found = looker.look(picture, "", 0.0)
    assert found.neighbours[0][1] == "green zigzag pattern, 1.000"
    similarities = [float(said.rpartition(", ")[2]) for _, said in found.neighbours]
    assert similarities == sorted(similarities, reverse=True)
    assert max(found.neighbours[0][0].size) <= 160


def test_pictures_of_a_class_that_came_later_are_known(world, tmp_path, clip, bank, looker):
    shutil.copytree(world / "adapted", tmp_path / "grown")
    add_class(tmp_path / "grown", "zigzags", [world / "pictures/green zigzag pattern/3.png"], clip=clip, bank=bank)
    grown = Looker(tmp_path / "grown", clip, bank)
    assert len(grown.known.labels) == len(looker.known.labels) + 1
    assert grown.known.labels[-1] == "zigzags"
    assert EVIL in grown.known.labels


def test_a_file_that_is_no_picture_is_said_without_its_path(looker, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    found = looker.look(str(tmp_path / "x.png"), "", 0.0)
    assert "the picture" in found.answer
    assert str(tmp_path) not in found.answer
    assert found.probabilities == {}
