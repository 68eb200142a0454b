"""keep=logits: no other id, no training again, files that are checked like the others."""

import numpy as np
import pytest

from promptlab.config.choice import Choice
from promptlab.learners import CoOp, Optim
from promptlab.results.logits import read_logits
from promptlab.results.predictions import read_predictions
from promptlab.runs import run as runs
from promptlab.runs.run import run
from promptlab.runs.verify import verify
from tests.helpers.settings import small_settings

COOP = Choice(CoOp, {"n_ctx": 4, "optim": Choice(Optim, {"epochs": 1, "warmup_epochs": 0})})


@pytest.fixture
def fits(monkeypatch):
    """What fits were asked for, and whether they trained."""
    found, whole = [], runs.fit_or_take_over

    def counted(*arguments):
        found.append(whole(*arguments))
        return found[-1]

    monkeypatch.setattr(runs, "fit_or_take_over", counted)
    return found


def file_of(outcome):
    return outcome.folder / outcome.result.evaluations["test"].logits


def test_a_finished_run_is_only_scored_again(tmp_path, fits):
    first = run(small_settings(COOP, tmp_path))
    assert first.result.evaluations["test"].logits is None
    learned = (first.folder / "learned.safetensors").read_bytes()
    second = run(small_settings(COOP, tmp_path, keep="logits"))
    assert second.fresh
    assert [report is not None for report in fits] == [True, False]  # trained, taken over
    assert (second.folder, second.result.fit_id) == (first.folder, first.result.fit_id)
    ids = [outcome.result.evaluations["test"].eval_id for outcome in (first, second)]
    assert ids[0] == ids[1]
    assert (second.folder / "learned.safetensors").read_bytes() == learned
    assert second.result.evaluations["test"].metrics == first.result.evaluations["test"].metrics
    assert second.result.config["keep"] == "logits"
    assert not run(small_settings(COOP, tmp_path, keep="logits")).fresh
    assert not run(small_settings(COOP, tmp_path)).fresh  # what is there already is more than was asked for
    assert file_of(second).exists()


def test_they_agree_with_scores_and_predictions(tmp_path):
    outcome = run(small_settings(COOP, tmp_path, keep="logits"))
    kept, predictions = read_logits(file_of(outcome)), read_predictions(outcome.folder / "predictions-test.safetensors")
    assert np.array_equal(kept.labels, predictions.labels)
    assert kept.content_ids() == predictions.content_ids()
    assert (kept.logits.argmax(axis=1) == kept.labels).mean() == outcome.result.evaluations["test"].metrics.top1
    best = np.take_along_axis(kept.probabilities(), predictions.top_ids.astype(np.int64), axis=1)
    assert np.allclose(best, predictions.top_probabilities, atol=1e-3)


def test_lost_or_damaged_ones_are_made_again_when_they_are_asked_for(tmp_path, fits):
    outcome = run(small_settings(COOP, tmp_path, keep="logits"))
    good = file_of(outcome).read_bytes()
    file_of(outcome).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert [c.state for c in verify(tmp_path) if c.kind == "logits"] == ["damaged"]
    again = run(small_settings(COOP, tmp_path, keep="logits"))
    assert again.fresh
    assert fits[-1] is None
    assert file_of(again).read_bytes() == good
    assert [c.state for c in verify(tmp_path) if c.kind == "logits"] == ["sound"]
    file_of(again).unlink()
    assert [c.state for c in verify(tmp_path) if c.kind == "logits"] == ["missing"]


def test_logits_of_another_run_are_found_out(tmp_path):
    one, other = (run(small_settings(COOP, tmp_path, keep="logits", seed=seed)) for seed in (1, 2))
    file_of(one).write_bytes(file_of(other).read_bytes())
    (wrong,) = [c for c in verify(one.folder) if c.state == "damaged"]
    assert "the predictions are of" in wrong.why


def test_what_was_learned_has_a_size(tmp_path):
    outcome = run(small_settings(COOP, tmp_path))
    assert outcome.result.learned_bytes == (outcome.folder / "learned.safetensors").stat().st_size
    assert outcome.result.peak_memory_bytes_of_gpu is None
