"""A run from configuration to documents: finished ones are found, the same seed gives the same bits."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from safetensors.torch import load_file

from promptlab.cli.main import main
from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError
from promptlab.data import read_json
from promptlab.data.sampling import sample_few_shot
from promptlab.demo.datasets import demo_dataset
from promptlab.learners import CoOp, Optim
from promptlab.results.document import ResultError
from promptlab.results.ids import items_digest
from promptlab.results.predictions import read_predictions
from promptlab.results.store import SIGN_NAME, lock, read_result
from promptlab.runs.run import run
from promptlab.support.checksums import sealed, unsealed
from promptlab.support.errors import DatasetError
from promptlab.support.locks import HeldError
from tests.helpers.settings import settings_of

QUICK = ("shots=2", "views=2", "++learner.optim.epochs=2", "trainer.enable_progress_bar=false")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(*overrides):
    return settings_of([*QUICK, *overrides])


def test_a_run_writes_all_its_documents():
    outcome = run(config())
    assert outcome.fresh
    assert outcome.folder.parts[:4] == ("results", "demo_shapes", "base_to_new", "coop")
    assert outcome.folder.name == outcome.result.fit_id
    result = read_result(outcome.folder / "result.json")
    assert result.to_json() == outcome.result.to_json()
    assert list(result.evaluations) == ["base", "new"]
    base, new = result.evaluations["base"], result.evaluations["new"]
    assert result.harmonic.learner == pytest.approx(
        2 * base.metrics.top1 * new.metrics.top1 / (base.metrics.top1 + new.metrics.top1)
    )
    assert base.metrics.images == new.metrics.images == 12 * 60
    assert [point.epoch for point in result.learning_curve] == [0, 1]
    assert result.learning_curve[0].learning_rate == 1e-5
    assert result.trained_parameters.shapes == {"ctx": (4, 128)}
    assert (result.shots, result.views, result.seed, result.selection) == (2, 2, 1, "last epoch")
    assert result.epochs == {"context": 2}
    assert result.config["learner"]["ctx_init"] == "a photo of a"
    assert result.seconds.fit > 0
    assert result.peak_memory_bytes_of_process > 1e6


def test_predictions_give_the_metrics_again():
    outcome = run(config())
    for name, evaluation in outcome.result.evaluations.items():
        predictions = read_predictions(outcome.folder / evaluation.predictions)
        dataset = demo_dataset("demo_shapes")
        half = range(12) if name == "base" else range(12, 24)
        assert np.array_equal(predictions.labels, dataset.test.of_classes(half).labels)
        assert predictions.content_ids() == dataset.test.of_classes(half).content_ids()
        assert np.mean(predictions.top_ids[:, 0] == predictions.labels) == pytest.approx(evaluation.metrics.top1)


def test_a_finished_run_is_found_and_can_be_forced():
    first = run(config())
    stamp = (first.folder / "result.json").stat().st_mtime_ns
    again = run(config())
    assert not again.fresh
    assert again.folder == first.folder
    assert (first.folder / "result.json").stat().st_mtime_ns == stamp
    assert run(config("force=true")).fresh


def test_same_configuration_same_bits(tmp_path, monkeypatch):
    """Images are encoded anew for each: the bank is another."""
    folders = []
    for i in (1, 2):
        monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / f"cache{i}"))
        folders.append(run(config(f"results=r{i}", "dataset=demo_textures")).folder)
    contexts = [load_file(folder / "learned.safetensors")["ctx"] for folder in folders]
    assert torch.equal(*contexts)
    for name in ("predictions-base.safetensors", "predictions-new.safetensors"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize(
    "change", ["seed=2", "shots=3", "views=1", "++learner.n_ctx=4 ++learner.ctx_init=null", "++learner.optim.lr=0.1"]
)
def test_what_changes_the_fit_changes_its_id(change):
    overrides = ("++learner.optim.epochs=1",)
    assert run(config(*overrides, *change.split())).folder.name != run(config(*overrides)).folder.name


def test_where_and_how_fast_is_not_part_of_the_id():
    first = run(config("results=a"))
    assert run(config("results=b", "backbone.text_memory_mb=64")).folder.name == first.folder.name


def test_a_damaged_result_is_named_and_computed_again_on_request(caplog):
    first = run(config())
    path = first.folder / "result.json"
    path.write_text('{"schema_version": 1')
    with pytest.raises(ResultError, match=r"result\.json: not valid JSON .*force=true computes it again"):
        run(config())
    assert path.read_text() == '{"schema_version": 1'
    with caplog.at_level(logging.WARNING):
        assert run(config("force=true")).fresh
    assert "kept as result.json.damaged-" in caplog.text
    assert read_result(path).evaluations == first.result.evaluations


def test_a_missing_evaluation_reuses_the_fit():
    first = run(config())
    path = first.folder / "result.json"
    document = unsealed(json.loads(path.read_text()))
    del document["evaluations"]["new"]
    document["harmonic"] = None
    path.write_text(json.dumps(sealed(document)))
    (first.folder / "predictions-new.safetensors").unlink()
    again = run(config())
    assert again.fresh
    assert again.result.learning_curve == first.result.learning_curve
    assert again.result.evaluations == first.result.evaluations
    assert (first.folder / "predictions-new.safetensors").exists()


@pytest.mark.parametrize("name", ["learned.safetensors", "predictions-new.safetensors"])
def test_a_missing_file_is_made_again(name):
    first = run(config())
    (first.folder / name).unlink()
    again = run(config())
    assert again.fresh
    assert (first.folder / name).exists()
    assert again.result.evaluations == first.result.evaluations


def test_damaged_tensors_are_named_and_made_again_on_request():
    first = run(config())
    path = first.folder / "learned.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    with pytest.raises(ResultError, match=r"learned\.safetensors is damaged .*force=true"):
        run(config())
    assert run(config("force=true")).fresh
    assert path.read_bytes() == whole


def test_a_run_waits_for_another_of_the_same_fit(caplog):
    """And then finds what that one did."""
    from threading import Thread

    first = run(config())
    (first.folder / "result.json").rename("kept.json")
    second = []
    with caplog.at_level(logging.WARNING), lock(first.folder):
        other = Thread(target=lambda: second.append(run(config())))
        other.start()
        while "waiting for it" not in caplog.text:
            assert other.is_alive()
            other.join(0.05)
        Path("kept.json").rename(first.folder / "result.json")
    other.join()
    assert not second[0].fresh


def test_a_fit_that_is_at_work_elsewhere_is_refused_where_nobody_waits():
    first = run(config())
    (first.folder / "result.json").unlink()
    with lock(first.folder), pytest.raises(HeldError, match="another process works in"):
        run(config(), wait=False)
    assert run(config(), wait=False).fresh
    assert not (first.folder / SIGN_NAME).exists()


def test_a_fit_that_was_cut_short_says_so():
    outcome = run(config("++trainer.max_steps=1", "++learner.optim.epochs=5"))
    assert outcome.result.epochs == {"context": 1}
    assert any("ran 1 of 5 epochs" in note for note in outcome.result.notes)


def test_few_shot_and_zero_shot():
    outcome = run(settings_of(["learner=zero_shot", "protocol=few_shot", "shots=2", "views=0"]))
    (test,) = outcome.result.evaluations.values()
    assert test.metrics == test.zero_shot
    assert outcome.result.harmonic is None
    assert outcome.result.selection == "nothing is trained"
    assert outcome.result.trained_parameters.count == 0


def test_class_specific_contexts_leave_new_classes_null():
    outcome = run(config("++learner.csc=true"))
    base, new = outcome.result.evaluations.values()
    assert base.metrics is not None
    assert new.metrics is None
    assert "can't score classes it has no training images of" in new.reason
    assert new.zero_shot.top1 > 0
    assert outcome.result.harmonic.learner is None


def test_selection_on_validation_is_said():
    outcome = run(config("select=val"))
    assert outcome.result.selection.startswith("best on validation images")
    assert outcome.result.val_images == 2 * 12


class KnowsEveryName(CoOp):
    """A learner that is built over every known class."""

    uses_new_names = True
    built = None

    def __init__(self, clip, class_names, *, has_images, optim=None):
        super().__init__(clip, class_names, n_ctx=2, optim=optim)
        type(self).built = tuple(has_images)


class ReadsImages(CoOp):
    """A learner that encodes the images itself."""

    needs = "images"

    def forward(self, inputs):
        return super().forward(self.clip.encode_images(inputs))

    def scorer(self):
        return self


def test_a_learner_of_images_says_that_its_views_are_fresh(monkeypatch):
    monkeypatch.setattr("promptlab.learners.ReadsImages", ReadsImages, raising=False)
    outcome = run(config("++learner._target_=promptlab.learners.ReadsImages", "shots=1", "++learner.optim.epochs=1"))
    assert outcome.result.views == "online"
    assert outcome.result.evaluations["base"].metrics.images == 720


def test_a_learner_that_uses_new_names_gets_them():
    learner = Choice(KnowsEveryName, {"optim": Choice(Optim, {"epochs": 1})}, name="mine")
    settings = replace(config(), learner=learner)
    outcome = run(settings)
    assert KnowsEveryName.built == (True,) * 12 + (False,) * 12
    assert len(outcome.result.fit.class_names) == 24
    assert all(evaluation.metrics is not None for evaluation in outcome.result.evaluations.values())


def test_ones_own_features_stand_in_for_images(tmp_path):
    dataset = demo_dataset("demo_shapes")
    generator = np.random.RandomState(0)
    centres = generator.standard_normal((3, 128))
    for split, count in (("train", 8), ("test", 20)):
        labels = np.repeat(np.arange(3), count)
        np.savez(
            tmp_path / f"{split}.npz",
            features=centres[labels] + 0.1 * generator.standard_normal((3 * count, 128)),
            labels=labels,
        )
    names = json.dumps(list(dataset.class_names[:3]))
    outcome = run(
        config(
            "dataset=features",
            "protocol=few_shot",
            "val=none",
            f"dataset.train={tmp_path}/train.npz",
            f"dataset.test={tmp_path}/test.npz",
            f"dataset.class_names={names}",
            "++learner.optim.epochs=30",
            "++learner.optim.lr=0.1",
        )
    )
    assert outcome.result.evaluations["test"].metrics.images == 60
    assert outcome.result.views == outcome.result.config["views"] == 0
    assert outcome.result.learning_curve[-1].loss < outcome.result.learning_curve[0].loss


def test_features_can_not_be_encoded_anew(tmp_path):
    np.savez(tmp_path / "train.npz", features=np.eye(128)[:4], labels=np.arange(4))
    files = [f"dataset.{split}={tmp_path}/train.npz" for split in ("train", "test")]
    with pytest.raises(ConfigError, match=rf"views=online: {tmp_path.name} holds features"):
        run(config("dataset=features", "dataset.class_names=[a,b,c,d]", "views=online", "val=none", *files))


def test_unreadable_images_are_named_before_training(tmp_path, monkeypatch):
    from PIL import Image

    names = [f"{label}/{index}.png" for label in "ab" for index in range(4)]
    folder = tmp_path / "data" / "mine" / "images"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.RandomState(len(name)).randint(0, 255, (40, 50, 3), np.uint8)).save(folder / name)
    rows = [[name, "ab".index(name[0]), f"red {'star' if name[0] == 'a' else 'circle'}"] for name in names]
    split = {"train": rows[:2] + rows[4:6], "val": rows[2:3] + rows[6:7], "test": rows[3:4] + rows[7:]}
    (tmp_path / "data" / "mine" / "split.json").write_text(json.dumps(split))
    (folder / names[0]).write_bytes(b"")
    settings = config("views=online", "protocol=few_shot", "val=none")
    lists = {"name": "mine", "path": str(tmp_path / "data" / "mine" / "split.json"), "images": str(folder)}
    settings = replace(settings, dataset=Choice(read_json, {**lists, "validate": False}))
    with pytest.raises(DatasetError, match=r"a/0\.png"):
        run(settings)
    assert not list(tmp_path.rglob("learned.safetensors"))


def test_a_killed_run_goes_on(monkeypatch):
    """Killed in the middle, the same command takes its checkpoint and ends with the Result of an unbroken run."""
    from promptlab.training.module import StageModule

    slow = ("++learner.optim.epochs=6", "ckpt_every_s=0")
    whole = run(config("results=whole", *slow))
    step, steps = StageModule.training_step, iter(range(1000))

    def killed(self, batch, batch_idx):
        if next(steps) == 3:
            raise ZeroDivisionError("killed")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(StageModule, "training_step", killed)
    with pytest.raises(ZeroDivisionError, match="killed"):
        run(config(*slow))
    monkeypatch.setattr(StageModule, "training_step", step)
    (checkpoint,) = whole.folder.parents[4].glob("results/**/resume.ckpt")
    again = run(config(*slow))
    assert not checkpoint.exists()
    assert again.folder.name == whole.folder.name
    assert again.result.learning_curve == whole.result.learning_curve
    assert again.result.evaluations == whole.result.evaluations
    for name in ("learned.safetensors", "predictions-base.safetensors", "predictions-new.safetensors"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.parametrize("killed_at", [0, 1])
def test_a_run_killed_while_it_scores_does_not_train_again(monkeypatch, killed_at):
    """What was learned and scored is there; only what is missing is done."""
    from promptlab import load_results
    from promptlab.runs import fit as fitting
    from promptlab.runs import run as module

    whole = run(config("results=whole"))
    score, fit, calls, fits = module.score, fitting.fit, [], []

    def killed(scorer, evaluation, *rest, **more):
        calls.append(evaluation.name)
        if len(calls) == killed_at + 1:
            raise KeyboardInterrupt
        return score(scorer, evaluation, *rest, **more)

    monkeypatch.setattr(module, "score", killed)
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: fits.append(1) or fit(*args, **kwargs))
    with pytest.raises(KeyboardInterrupt):
        run(config())
    assert load_results("results") == []
    again = run(config())
    assert len(fits) == 1
    assert calls == [["base", "base", "new"], ["base", "new", "new"]][killed_at]
    assert again.result.evaluations == whole.result.evaluations
    assert again.result.harmonic == whole.result.harmonic
    assert again.result.learning_curve == whole.result.learning_curve
    assert {path.name for path in again.folder.iterdir()} == {path.name for path in whole.folder.iterdir()}
    assert not run(config()).fresh


@pytest.mark.parametrize(
    ("learner", "count"),
    [("linear_probe", 12 * 128 + 12), ("lp_plus_plus", 12 * 128 + 2 * 12), ("gda", 0), ("zlap_inductive", 0)],
)
def test_what_a_closed_form_trains_on_a_loss_is_counted(learner, count):
    assert run(settings_of([*QUICK[:2], f"learner={learner}"])).result.trained_parameters.count == count


def test_trained_parameters_are_those_that_gradients_trained():
    cached = run(settings_of([*QUICK[:2], "learner=tip_adapter"])).result.trained_parameters
    trained = run(
        settings_of([*QUICK[:2], "learner=tip_adapter_f", "++learner.optim.epochs=1"])
    ).result.trained_parameters
    assert (cached.count, trained.count) == (0, 24 * 128)
    assert cached.shapes["keys"] == trained.shapes["keys"] == (24, 128)


def test_validation_that_is_the_test_set_chooses_nothing(monkeypatch):
    from promptlab.runs import session

    opened = replace(demo_dataset("demo_shapes"), val_is_test=True)
    monkeypatch.setattr(session, "dataset", lambda node: opened)
    for choice in ("select=val", "learner=linear_probe", "learner=ship learner@learner.inner=tip_adapter"):
        with pytest.raises(ConfigError, match="those of demo_shapes are among its test images"):
            run(settings_of([*QUICK[:2], *choice.split()]))


def test_validation_images_from_the_training_images_may_choose(monkeypatch):
    from promptlab.runs import session

    data = demo_dataset("demo_shapes")
    monkeypatch.setattr(session, "dataset", lambda node: replace(data, val=data.test, val_is_test=True))
    result = run(
        settings_of([*QUICK[:2], "learner=tip_adapter", "protocol=few_shot", "protocol.rule=validation_first"])
    ).result
    assert result.evaluations["test"].metrics is not None
    assert "draw: validation_first, not CoOp's, validation images from the training images" in result.notes


def test_nothing_is_chosen_on_images_that_are_tested(monkeypatch):
    from promptlab.runs import session

    dataset = demo_dataset("demo_shapes")
    monkeypatch.setattr(session, "dataset", lambda node: replace(dataset, val=dataset.test.take(range(700))))
    with pytest.raises(ConfigError, match="are among its test images"):
        run(config("select=val", "val=full"))


def test_few_shot_draw_is_coops():
    outcome = run(config("protocol=few_shot", "++learner.optim.epochs=1"))
    dataset = demo_dataset("demo_shapes")
    train, _ = sample_few_shot(dataset.train.labels, dataset.val.labels, shots=2, seed=1)
    drawn = dataset.train.take(train)
    assert outcome.result.fit.train_digest == items_digest(drawn.content_ids(), drawn.labels)


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")])
def test_a_sweep_ends_with_a_table(launcher, tmp_path, capfd):
    words = [word.replace("++learner", "learner") for word in QUICK]
    try:
        assert main(["seed=1,2", *words, "-m", *launcher]) == 0
    finally:
        get_reusable_executor().shutdown()  # joblib would keep its workers, and their cache, for the next test
    out = capfd.readouterr().out
    assert len(list(tmp_path.glob("results/demo_shapes/base_to_new/coop/*/result.json"))) == 2
    table = out[out.index("base_to_new") :]
    assert re.search(r"zero-shot +\d", table)
    assert re.search(r"coop .*\d ± ?\d", table)
    assert re.search(r"seeds 1\D+2", table)


def test_a_failing_run_does_not_take_the_table_along(capfd):
    words = ["-m", "learner.optim.lr=0.002,1000", "learner.optim.warmup_epochs=0", "learner.optim.weight_decay=1000"]
    assert main([*words, *QUICK[:2], "learner.optim.epochs=10", *QUICK[3:]]) == 1
    said = capfd.readouterr()
    assert "2/2  learner.optim.lr=1000  failed: context: the loss is" in said.out
    assert re.search(r"coop +\d", said.out)
    assert "1 of 2 runs failed" in said.err
