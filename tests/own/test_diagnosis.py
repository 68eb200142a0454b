"""A diagnosis finds what was planted: a wrong label, copies under two labels, a class with a name that says nothing."""

import shutil

import numpy as np
import pytest

import promptlab
from promptlab.learners.base.decision import Decision
from promptlab.own.advice import advice
from promptlab.own.diagnosis import diagnose, diagnosis_of
from promptlab.own.diagnosis_page import page
from promptlab.own.evidence import read_evidence
from promptlab.results.logits import read_logits
from promptlab.support.errors import UsageError
from tests.helpers.own_pictures import write_adapted_folder, write_pictures
from tests.own.conftest import EVIL


@pytest.fixture(scope="module")
def found(world, clip, bank):
    return diagnose(world / "adapted", clip=clip, bank=bank)


def test_counts_add_up(found, world):
    kept = read_logits(world / "adapted/logits-held_out.safetensors")
    right = kept.below.argmax(axis=1) == kept.labels
    assert (found.pictures, found.right) == (len(right), right.sum())
    for label, one in enumerate(found.classes):
        own = kept.labels == label
        assert (one.name, one.pictures, one.right) == (kept.class_names[label], own.sum(), right[own].sum())
        assert one.recall == pytest.approx(right[own].mean())
    assert sum(pair.pictures for pair in found.confused) == found.pictures - found.right


def test_the_wrong_label_is_among_the_most_wrong_pictures(found):
    own = [one.own for one in found.wrong]
    assert own == sorted(own)
    wrong = {one.file.rpartition("/")[2]: one for one in found.wrong}
    assert wrong["wrong.png"].own < 0.2
    assert wrong["wrong.png"].sure > 0.8


def test_each_wrong_picture_has_the_one_that_is_most_like_it(found, world):
    by_file = {one.file: one.nearest for one in found.wrong}
    planted = {frozenset(pair.files) for pair in found.contradictions if set(pair.files) & set(by_file)}
    assert planted
    for file in by_file:
        for pair in planted:
            if file in pair:  # what is one picture twice is most like itself
                assert by_file[file].file in pair - {file}
                assert by_file[file].similarity > 0.9
    shown = page(found, read_evidence(world / "adapted"))
    assert shown.count("most like a picture of") == len(found.wrong)


def test_own_probabilities_follow_the_decision_s_temperature(world, tmp_path, clip):
    from promptlab import load_learner
    from promptlab.learners.base.decision import Decision

    shutil.copytree(world / "adapted", tmp_path / "softer")
    learner = load_learner(tmp_path / "softer", clip)
    learner.decision = Decision(temperature=4.0)
    learner.save_pretrained(tmp_path / "softer")
    sharp, soft = read_evidence(world / "adapted"), read_evidence(tmp_path / "softer")
    wrong = sharp.said != sharp.labels
    assert (soft.own[wrong] > sharp.own[wrong]).all()


def test_copies_are_found_across_files_and_sizes(found):
    planted = {frozenset(pair.files) for pair in found.contradictions}
    assert len(planted) == len(found.contradictions) == 3
    names = {name.rpartition("/")[2] for pair in planted for name in pair}
    assert {"copy.jpg", "0.jpg", "1.jpg"} <= names
    assert found.repeats == 1


def test_closest_names_come_first(found):
    similarities = [pair.similarity for pair in found.names]
    assert similarities == sorted(similarities, reverse=True)
    assert len({frozenset((pair.name, pair.other)) for pair in found.names}) == len(found.names)


def test_the_curve_rises_to_all_pictures(found):
    sizes = [point.most for point in found.curve.points]
    assert sizes[:3] == [1, 2, 4]
    assert sizes == sorted(set(sizes))
    assert all(0 <= point.accuracy <= 1 for point in found.curve.points)


def test_advice_names_what_was_planted(found):
    said = " ".join(advice(found))
    assert "3 pairs of pictures show the same under different labels" in said
    assert f"{EVIL} (2)" in said


def test_pictures_that_changed_are_left_out_and_named(world, tmp_path, clip, bank):
    shutil.copytree(world / "pictures", tmp_path / "moved")
    changed = next((tmp_path / "moved").glob("*/again.jpg"))
    changed.write_bytes(changed.with_name("1.png").read_bytes())
    evidence = read_evidence(world / "adapted", pictures=tmp_path / "moved")
    assert len(evidence.rows) == len(evidence.labels) - 1
    assert "1 picture changed or gone since" in evidence.notes[0]
    assert "again.jpg" in evidence.notes[0]
    assert diagnosis_of(evidence, clip=clip, bank=bank).repeats == 0


def test_without_pictures_the_scores_are_told(world, tmp_path, clip, bank, found):
    shutil.copytree(world / "adapted", tmp_path / "alone")
    blind = diagnose(tmp_path / "alone", pictures=tmp_path, clip=clip, bank=bank)
    assert blind.classes[0].right == found.classes[0].right
    assert (blind.repeats, blind.curve, blind.contradictions) == (None, None, ())
    assert "--pictures DIR" in blind.notes[0]


def test_names_that_lead_out_of_the_folder_are_never_opened(world, tmp_path):
    from dataclasses import replace

    from promptlab.results.predictions import predictions_name, read_predictions, write_predictions

    shutil.copytree(world / "adapted", tmp_path / "hostile")
    shutil.copytree(world / "pictures", tmp_path / "pictures")
    path = tmp_path / "hostile" / predictions_name("held_out")
    predictions = read_predictions(path)
    (tmp_path / "pictures" / predictions.files[0]).rename(tmp_path / "outside.png")  # its content is what was scored
    write_predictions(path.parent, replace(predictions, files=("../outside.png", *predictions.files[1:])))
    assert 0 not in read_evidence(tmp_path / "hostile", pictures=tmp_path / "pictures").rows


def test_a_folder_without_scores_is_refused(tmp_path, world):
    with pytest.raises(UsageError, match="has no predictions"):
        read_evidence(tmp_path)
    shutil.copy(world / "adapted" / "adapted.json", tmp_path)
    with pytest.raises(
        UsageError, match=r"no picture was held out when it was adapted, and its adapted\.html says why"
    ):
        read_evidence(tmp_path)
    with pytest.raises(UsageError, match="no scores of 'test': there are held_out"):
        read_evidence(world / "adapted", "test")


def test_the_page_has_names_as_text_and_pictures_in_it(found, world):
    text = page(found, read_evidence(world / "adapted"))
    assert EVIL not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert text.count('<img src="data:image/jpeg;base64,') >= len(found.wrong)
    assert "http" not in text.replace("http-equiv", "")


def test_scores_without_all_logits_count_the_five_best(world, tmp_path):
    shutil.copytree(world / "adapted", tmp_path / "five")
    (tmp_path / "five/logits-held_out.safetensors").unlink()
    whole, five = read_evidence(world / "adapted"), read_evidence(tmp_path / "five")
    assert (whole.exact, five.exact) == (True, False)
    np.testing.assert_allclose(five.own, whole.own, atol=1e-3)


def test_both_probabilities_of_a_picture_are_by_one_temperature(tmp_path, clip, bank):
    """The five that a run keeps are before its temperature; what is kept of all logits is used for both."""
    files = write_pictures(tmp_path / "pictures", 6, 4)
    folder = write_adapted_folder(tmp_path / "adapted", tmp_path / "pictures", files, clip, bank=bank)
    learner = promptlab.load_learner(folder, clip)
    learner.decision = Decision(temperature=5.0)
    learner.save_pretrained(folder)
    evidence, kept = read_evidence(folder), read_logits(folder / "logits-held_out.safetensors")
    every = kept.probabilities(5.0)
    np.testing.assert_allclose(evidence.sure, every.max(1), atol=1e-6)
    np.testing.assert_allclose(evidence.own, every[np.arange(len(files)), evidence.labels], atol=1e-6)
    assert abs(evidence.sure - evidence.predictions.top_probabilities[:, 0]).max() > 0.05
