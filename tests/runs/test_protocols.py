"""Every protocol from configuration to Result: one fit for all targets, joint label spaces, calibration."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from promptlab import load_clip, load_learner
from promptlab.cli.main import main as launch
from promptlab.config.settings import ConfigError
from promptlab.demo import demo_dataset
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.metrics import evaluate_scores
from promptlab.learners import CoOp, ZeroShot
from promptlab.results.statistics import harmonic_mean
from promptlab.results.store import read_result
from promptlab.runs import fit as fitting
from promptlab.runs import session
from promptlab.runs.run import run
from tests.helpers.settings import settings_of
from tests.helpers.tasks import some_classes

QUICK = ("shots=2", "views=2", "++learner.optim.epochs=2", "trainer.enable_progress_bar=false")
SKETCHES, DARK, TEXTURES = "demo_shapes_sketch", "demo_shapes_dark", "demo_textures"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fits(monkeypatch):
    """How often a fit began."""
    count = []
    fit = fitting.fit
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: count.append(1) or fit(*args, **kwargs))
    return count


def config(*overrides):
    return settings_of([*QUICK, *overrides])


@pytest.mark.parametrize(
    ("protocol", "evaluations"),
    [
        ("few_shot", ["test"]),
        ("base_to_new", ["base", "new"]),
        ("cross_dataset", ["demo_shapes", TEXTURES]),
        ("domain_generalization", ["demo_shapes", SKETCHES, "demo_shapes_noise", DARK]),
        ("generalized_zero_shot", ["seen", "unseen"]),
        ("open_world", ["base", "new", "joint"]),
    ],
)
def test_every_protocol_by_the_command_line(capsys, protocol, evaluations):
    assert launch([*QUICK, f"protocol={protocol}"]) == 0
    shown = capsys.readouterr().out
    (path,) = [path for path in run_path().glob("**/result.json")]
    result = read_result(path)
    assert list(result.evaluations) == evaluations
    assert all(part.metrics.top1 > 0 and part.zero_shot.top1 > 0 for part in result.evaluations.values())
    for name in evaluations:
        assert name in shown
        assert (path.parent / f"predictions-{name}.safetensors").exists()


def run_path():
    from pathlib import Path

    return Path("results")


def test_a_target_is_scored_as_its_own_classes_and_template_have_it():
    """P24: the context as it is, everything else from the target."""
    outcome = run(config("protocol=cross_dataset"))
    context = load_file(outcome.folder / "learned.safetensors")["ctx"]
    clip, target = load_clip("demo"), demo_dataset(_node(outcome, 0)["name"])
    transferred = CoOp(clip, target.class_names, n_ctx=4, ctx_init="a photo of a")
    assert not torch.equal(transferred.ctx, context)
    transferred.load_learned({"ctx": context})
    labels = torch.from_numpy(target.test.labels)
    expected = evaluate_scores(logits_of(transferred, target.test, session.feature_bank()), labels)
    part = outcome.result.evaluations[TEXTURES]
    assert part.metrics == expected
    assert part.facts.class_names == target.class_names
    plain = ZeroShot(clip, target.class_names, template=target.template)
    assert part.zero_shot == evaluate_scores(logits_of(plain, target.test, session.feature_bank()), labels)


def test_a_target_is_read_with_the_words_that_its_dataset_has():
    """ATPrompt's attributes are the target's by its name, its names and template the target's too."""
    words = [
        "learner=atprompt",
        "learner.attributes=[shape]",
        "++inner.optim.epochs=2",
        "inner.n_ctx=2",
        "learner.n_att=1",
    ]
    table = f"learner.target_attributes={{{TEXTURES}:[pattern,red]}}"
    outcome = run(settings_of(["shots=2", "views=2", "protocol=cross_dataset", *words, table]))
    learner, target = load_learner(outcome.folder), demo_dataset(TEXTURES)
    bound = learner.rebind(target.class_names, target.template)
    for of, same in ((bound, False), (bound.tested_on(TEXTURES, "demo_shapes"), True)):
        found = evaluate_scores(
            logits_of(of, target.test, session.feature_bank()), torch.from_numpy(target.test.labels)
        )
        assert (found == outcome.result.evaluations[TEXTURES].metrics) is same


def _node(outcome, place):
    return outcome.result.config["protocol"]["targets"][place]


def test_a_target_is_added_without_training_again(fits):
    """Nor is what was scored before scored again."""
    first = run(config("protocol=cross_dataset", f"protocol.targets=[{TEXTURES}]"))
    stamp = (first.folder / f"predictions-{TEXTURES}.safetensors").stat().st_mtime_ns
    second = run(config("protocol=cross_dataset", f"protocol.targets=[{SKETCHES},{TEXTURES}]"))
    assert second.fresh
    assert len(fits) == 1
    assert second.folder == first.folder
    assert (first.folder / f"predictions-{TEXTURES}.safetensors").stat().st_mtime_ns == stamp
    assert list(second.result.evaluations) == ["demo_shapes", TEXTURES, SKETCHES]
    assert second.result.evaluations[TEXTURES] == first.result.evaluations[TEXTURES]
    assert second.result.learning_curve == first.result.learning_curve
    assert set(second.result.notes) > set(first.result.notes)
    assert any(f"split of {SKETCHES}" in note for note in second.result.notes)
    named = [target["name"] for target in second.result.config["protocol"]["targets"]]
    assert named == [TEXTURES, SKETCHES]
    whole = run(config("protocol=cross_dataset", f"protocol.targets=[{TEXTURES},{SKETCHES}]", "results=anew"))
    assert whole.result.evaluations == second.result.evaluations


def test_all_targets_there_is_finished(fits):
    two = f"protocol.targets=[{TEXTURES},{SKETCHES}]"
    first = run(config("protocol=cross_dataset", two))
    one = run(config("protocol=cross_dataset", f"protocol.targets=[{SKETCHES}]"))
    assert not one.fresh
    assert len(fits) == 1
    assert one.result.evaluations == first.result.evaluations


def test_a_joint_label_space_is_another_evaluation_of_the_same_fit(fits):
    apart = run(config())
    both = run(config("protocol.joint=true"))
    assert len(fits) == 1
    assert both.folder == apart.folder
    parts = both.result.evaluations
    assert list(parts) == ["base", "new", "base_joint", "new_joint"]
    assert parts["base_joint"].metrics.images == parts["base"].metrics.images
    assert len(parts["new_joint"].facts.class_names) == 24
    # more classes to mistake an image for
    assert parts["new_joint"].metrics.top1 < parts["new"].metrics.top1
    assert both.result.harmonic == apart.result.harmonic


def test_one_ship_fit_serves_separate_columns_and_the_joint_label_space(fits):
    inner = ("learner@learner.inner=coop", "++learner.inner.optim.epochs=1")
    quick = ("learner=ship", "protocol.joint=true", "++learner.generator_optim.epochs=1", *inner)
    outcome = run(settings_of([*QUICK[:2], *quick]))
    assert len(fits) == 1
    assert [part.metrics is None for part in outcome.result.evaluations.values()] == [False] * 4
    assert len(outcome.result.fit.class_names) == 24


def test_a_probe_scores_trained_classes_only_and_says_why():
    outcome = run(settings_of([*QUICK[:2], "learner=linear_probe", "protocol=cross_dataset"]))
    own, target = outcome.result.evaluations.values()
    assert own.metrics is not None
    assert target.metrics is None
    assert "LinearProbe can't score classes it has no training images of" in target.reason
    assert target.zero_shot.top1 > 0


@pytest.mark.parametrize("learner", ["learner=linear_probe", "learner=coop ++learner.csc=true"])
def test_a_run_in_which_nothing_can_be_scored_is_refused_before_it_trains(fits, learner):
    with pytest.raises(ConfigError, match="nothing of this run could be scored"):
        run(settings_of([*QUICK[:2], *learner.split(), "protocol=generalized_zero_shot"]))
    assert not fits


def test_keys_of_seen_classes_vote_in_the_joint_label_space():
    outcome = run(settings_of([*QUICK[:2], "learner=tip_adapter", "protocol=generalized_zero_shot"]))
    seen, unseen = outcome.result.evaluations.values()
    assert seen.metrics.mean_class_accuracy > seen.zero_shot.mean_class_accuracy
    assert unseen.metrics.mean_class_accuracy <= unseen.zero_shot.mean_class_accuracy


def test_generalised_zero_shot_trains_on_all_images_and_reports_class_means():
    outcome = run(settings_of([QUICK[1], *QUICK[2:], "protocol=generalized_zero_shot"]))
    result = outcome.result
    assert (result.shots, result.train_images) == ("all", 12 * 32)
    seen, unseen = (part.metrics.mean_class_accuracy for part in result.evaluations.values())
    assert result.harmonic.metric == "mean_class_accuracy"
    assert result.harmonic.learner == pytest.approx(harmonic_mean(seen, unseen))
    curve = result.seen_unseen
    assert 0 < curve.area < 1
    assert (curve.best_bias, curve.calibration) == (None, None)
    assert curve.seen[0] >= seen >= curve.seen[-1]


def test_the_bias_is_chosen_on_the_development_split(fits, capsys):
    whole = ("protocol=generalized_zero_shot", "protocol.calibrate=true")
    outcome = run(config(*whole))
    assert len(fits) == 2
    calibration = outcome.result.seen_unseen.calibration
    (path,) = run_path().glob(f"**/{calibration.fit_id}/result.json")
    development = read_result(path)
    assert development.protocol == "generalized_zero_shot_development"
    assert development.seen_unseen.best_bias == calibration.bias
    assert len(development.fit.class_names) == 8
    assert calibration.harmonic == pytest.approx(harmonic_mean(calibration.seen, calibration.unseen))
    again = run(config(*whole))
    assert not again.fresh
    assert len(fits) == 2


def test_a_learner_that_searches_can_be_calibrated():
    outcome = run(
        settings_of([*QUICK[:2], "learner=tip_adapter", "protocol=generalized_zero_shot", "protocol.calibrate=true"])
    )
    assert outcome.result.seen_unseen.calibration is not None


def test_a_bias_is_added_to_a_finished_fit(fits):
    plain = run(config("protocol=generalized_zero_shot"))
    biased = run(config("protocol=generalized_zero_shot", "protocol.calibrate=true"))
    assert len(fits) == 2  # of the test split and of the development split
    assert biased.folder == plain.folder
    assert biased.result.seen_unseen.calibration is not None
    assert biased.result.evaluations == plain.result.evaluations
    document = json.loads((plain.folder / "result.json").read_text())
    assert document["seen_unseen"]["calibration"]["bias"] == biased.result.seen_unseen.calibration.bias


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["protocol=cross_dataset", "protocol.targets=[demo_texturs]"], "did you mean demo_textures?"),
        (["protocol=cross_dataset", "protocol.targets=[]"], "needs targets"),
        (["protocol=cross_dataset", "dataset=demo_textures"], "needs targets"),
        (["protocol=cross_dataset", "protocol.targets=demo_textures"], "a list of names"),
        (["protocol=cross_dataset", "protocol.targets=[demo_shapes]"], "is the source"),
        (["protocol=domain_generalization", "protocol.targets=[demo_textures]"], "not among those of demo_shapes"),
        (["protocol=generalized_zero_shot", "protocol.split=tset"], "one of test, development"),
        (["protocol=cross_dataset", "protocol.target=[demo_textures]"], "did you mean targets?"),
        (["protocol.joint=perhaps"], "protocol.joint"),
        (["++learner.template='a {}'"], "set dataset.template"),
        (["learner=clip_adapter", "++learner.template='a {}'"], "set dataset.template"),
    ],
)
def test_mistakes_are_named(capsys, overrides, message):
    assert launch([*QUICK, *overrides]) != 0
    assert message in capsys.readouterr().err


def test_a_target_whose_classes_stand_in_another_order_scores_the_same(monkeypatch):
    """Labels of source and target meet through the names, never through their places."""
    plain = run(config("protocol=domain_generalization", f"protocol.targets=[{SKETCHES}]"))
    opened, order = session.dataset, [7, 3, 20, *(label for label in range(24) if label not in (7, 3, 20))]

    def permuted(node):
        dataset = opened(node)
        return some_classes(dataset, order) if dataset.name == SKETCHES else dataset

    monkeypatch.setattr(session, "dataset", permuted)
    other = run(config("protocol=domain_generalization", f"protocol.targets=[{SKETCHES}]", "results=permuted"))
    expected = plain.result.evaluations[SKETCHES].metrics.per_class_accuracy
    assert other.result.evaluations[SKETCHES].metrics.per_class_accuracy == tuple(expected[label] for label in order)
    assert len(set(expected)) > 5


def test_a_target_has_a_name_that_a_file_can_have():
    node = "{_target_:promptlab.demo.datasets.demo_dataset,name:my/textures}"
    with pytest.raises(ValueError, match="can't be part of a path"):
        run(config("protocol=cross_dataset", f"protocol.targets=[{node}]"))


def test_a_learner_that_searches_needs_validation_images(monkeypatch):
    opened = session.dataset
    monkeypatch.setattr(session, "dataset", lambda node: without_val(opened(node)))
    for overrides in (["learner=tip_adapter"], ["learner=linear_probe"], ["select=val"]):
        with pytest.raises(ConfigError, match="chooses on validation images, and demo_shapes has none"):
            run(settings_of([*QUICK[:2], "protocol=few_shot", *overrides]))


def without_val(dataset):
    return replace(dataset, val=dataset.val.take([]))
