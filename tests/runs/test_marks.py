"""What sets a learner apart is in its Result and in tables; what a learner asks for, a run gives."""

import io
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

import promptlab
from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError
from promptlab.learners import GDA, SHIP, CoOp, MaPLe, Optim, TipAdapter, ZeroShot
from promptlab.protocols import base_to_new
from promptlab.report.table import sweep_table
from promptlab.results.store import read_result
from promptlab.runs.run import run
from tests.helpers.settings import small_settings
from tests.helpers.toys import Adapts, Corrected, Together, UsesUnlabelled

SHORT = {"optim": Choice(Optim, {"epochs": 1})}


@pytest.mark.parametrize(
    ("learner", "marks"),
    [
        (Choice(ZeroShot), ()),
        (Choice(Together, SHORT), ("transductive",)),
        (Choice(UsesUnlabelled, SHORT), ("unlabelled images",)),
    ],
)
def test_a_result_is_marked(learner, marks, tmp_path):
    outcome = run(small_settings(learner, tmp_path))
    assert outcome.result.marks == marks
    assert read_result(outcome.folder / "result.json").marks == marks


def test_the_epoch_that_is_best_on_test_images_is_kept_only_where_it_is_asked_for(tmp_path, monkeypatch):
    scored, scores = [], iter((0.2, 0.7, 0.7, 0.4))

    def evaluate(learner, items, bank):
        scored.append((learner.class_names, items.labels.tolist(), learner.ctx.detach().clone()))
        return SimpleNamespace(top1=next(scores))

    monkeypatch.setattr("promptlab.runs.fit.evaluate", evaluate)
    settings = small_settings(Choice(CoOp, {"optim": Choice(Optim, {"epochs": 4})}), tmp_path)
    last = run(settings).result
    assert (last.marks, last.selection, last.fit.tested_digest, scored) == ((), "last epoch", None, [])
    outcome = run(replace(settings, select="test"))
    result, (first, *_) = outcome.result, outcome.result.evaluations.values()
    assert (result.marks, result.selection) == (("selected_on_test",), "best on test images (epoch 1)")
    assert read_result(outcome.folder / "result.json").marks == ("selected_on_test",)
    assert {(names, len(labels)) for names, labels, _ in scored} == {(first.facts.class_names, first.metrics.images)}
    assert [point.test_accuracy for point in result.learning_curve] == [0.2, 0.7, 0.7, 0.4]
    assert {point.val_accuracy for point in result.learning_curve} == {None}
    kept = promptlab.load_learner(outcome.folder, promptlab.load_clip("demo")).ctx
    assert torch.equal(kept, scored[1][2])
    assert not torch.equal(kept, scored[3][2])
    assert result.fit.tested_digest == first.facts.items_digest
    assert result.fit_id != last.fit_id


@pytest.mark.parametrize("learner", [Choice(ZeroShot), Choice(TipAdapter, {"search": False})])
def test_where_no_epoch_is_chosen_none_was_chosen_on_test_images(learner, tmp_path):
    result = run(replace(small_settings(learner, tmp_path), select="test")).result
    assert result.marks == ()
    assert "test" not in result.selection


def test_a_search_on_test_images_is_marked(tmp_path):
    plain = small_settings(Choice(GDA), tmp_path)
    found = [run(replace(plain, val=val)).result for val in ("few", "test")]
    assert [result.marks for result in found] == [(), ("selected_on_test",)]
    first = next(iter(found[1].evaluations.values()))
    assert (found[1].val_images, found[1].fit.val_digest) == (first.metrics.images, first.facts.items_digest)
    assert first.metrics.top1 >= next(iter(found[0].evaluations.values())).metrics.top1  # the best of the grid there
    assert found[0].fit_id != found[1].fit_id
    unsearched = run(replace(small_settings(Choice(GDA, {"alpha": 1.0}), tmp_path), val="test")).result
    assert unsearched.marks == ()


def test_a_search_on_test_images_knows_its_classes(tmp_path):
    settings = small_settings(Choice(GDA), tmp_path, protocol=Choice(base_to_new))
    result = run(replace(settings, val="test")).result
    assert result.val_images == result.evaluations["base"].metrics.images
    assert result.fit.val_digest == result.evaluations["base"].facts.items_digest


@pytest.mark.parametrize("choice", [{"select": "test"}, {"val": "test"}])
def test_without_test_images_nothing_is_chosen_on_them(choice, tmp_path):
    settings = small_settings(Choice(CoOp, SHORT), tmp_path)
    arguments = {key: value for key, value in settings.dataset.arguments.items() if key != "test"}
    untested = replace(settings, dataset=Choice(settings.dataset.kind, {**arguments, "test": "none"}), **choice)
    with pytest.raises(ConfigError, match="choose on test images, and source has none"):
        run(untested)


def test_epochs_are_chosen_on_test_images_by_one_name(tmp_path):
    settings = small_settings(Choice(CoOp, SHORT), tmp_path)
    with pytest.raises(ConfigError, match="say select=test"):
        replace(settings, select="val", val="test")


def test_tables_set_marked_results_apart(tmp_path):
    results = [run(small_settings(Choice(kind, SHORT), tmp_path)).result for kind in (CoOp, Together)]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(sweep_table(results))
    marked = next(line for line in console.export_text().splitlines() if "together" in line)
    assert "transductive" in marked


def test_unlabelled_images_are_part_of_what_a_fit_is(tmp_path):
    plain = run(small_settings(Choice(CoOp, SHORT), tmp_path)).result
    asked = run(small_settings(Choice(UsesUnlabelled, SHORT), tmp_path)).result
    assert plain.fit.unlabelled_digest is None
    assert len(asked.fit.unlabelled_digest) == 16


def test_facts_of_a_wrapper_are_known_before_it_is_built(tmp_path):
    def facts(learner):
        return small_settings(learner, tmp_path).learner_facts

    assert facts(Choice(Corrected, {"inner": Choice(MaPLe, as_factory=True)})).needs == "images"
    assert facts(Choice(Corrected, {"inner": CoOp})).needs == "features"
    assert facts(Choice(SHIP, {"inner": partial(TipAdapter, search=True)})).chooser == "TipAdapter"
    assert small_settings(Choice(Corrected, {"inner": MaPLe}), tmp_path).views == "online"
    assert facts(Choice(Adapts)).chooser is None
