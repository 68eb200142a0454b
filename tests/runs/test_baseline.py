"""Zero-shot CLIP is scored once for a backbone, a template and an evaluation, whatever is learned beside it."""

from dataclasses import replace

import pytest

from promptlab.config.choice import Choice
from promptlab.learners import LinearProbe, TipAdapter, ZeroShot
from promptlab.runs import baseline
from promptlab.runs.run import run
from tests.helpers.settings import small_settings


@pytest.fixture
def scored(own_cache, monkeypatch):
    """The folders of what zero-shot CLIP was scored on."""
    found, evaluate = [], baseline.evaluate
    monkeypatch.setattr(baseline, "evaluate", lambda *args: found.append(args) or evaluate(*args))
    return found


def test_it_is_scored_once_for_all_learners(scored, tmp_path, own_cache):
    probe = run(small_settings(Choice(LinearProbe, {"c": 1.0}), tmp_path)).result.evaluations["test"]
    adapter = run(small_settings(Choice(TipAdapter), tmp_path)).result.evaluations["test"]
    plain = run(small_settings(Choice(ZeroShot), tmp_path)).result.evaluations["test"]
    assert len(scored) == 1
    assert probe.zero_shot == adapter.zero_shot == plain.zero_shot == plain.metrics
    assert len(list((own_cache / "zero_shot").iterdir())) == 1


def test_another_template_or_label_space_is_another_baseline(scored, tmp_path):
    settings = small_settings(Choice(ZeroShot), tmp_path)
    run(settings)
    run(replace(settings, dataset=settings.dataset.changed(template="a drawing of a {}.")))
    run(replace(settings, seed=2))  # the same test items
    assert len(scored) == 2


def test_a_damaged_one_is_scored_again(scored, tmp_path, own_cache, caplog):
    first = run(small_settings(Choice(ZeroShot), tmp_path / "a")).result
    (kept,) = (own_cache / "zero_shot").iterdir()
    kept.write_text(kept.read_text()[:-40])
    again = run(small_settings(Choice(ZeroShot), tmp_path / "b")).result
    assert "zero-shot CLIP is scored again" in caplog.text
    assert len(scored) == 2
    assert again.evaluations["test"].zero_shot == first.evaluations["test"].zero_shot


def test_a_metric_that_came_later_is_scored(scored, tmp_path, monkeypatch):
    run(small_settings(Choice(ZeroShot), tmp_path / "a"))
    known = baseline.fields
    monkeypatch.setattr(baseline, "fields", lambda kind: known(kind)[1:])
    run(small_settings(Choice(ZeroShot), tmp_path / "b"))
    assert len(scored) == 2
