"""Every run has its own run in a tracker: settings, learning curve, scores; nothing is written elsewhere."""

import csv
import json
import sqlite3

import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger

from promptlab.cli.main import main
from promptlab.config import trackers
from promptlab.config.choice import Choice
from promptlab.learners import CoOp, Optim, ZeroShot
from promptlab.runs.run import run
from promptlab.runs.tracker import scores_of, shown_settings
from promptlab.training.trackio_logger import TrackioLogger
from tests.helpers.settings import small_settings

COOP = Choice(CoOp, {"n_ctx": 4, "optim": Choice(Optim, {"epochs": 2, "warmup_epochs": 0})})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nothing may be written to the folder that a run is started in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert not list(folder.iterdir())


def runs_with(logger, folder, learner=COOP):
    """Two runs of a sweep in one process."""
    return [run(small_settings(learner, folder, logger=logger, seed=seed)) for seed in (1, 2)]


def test_a_file_of_values_in_each_runs_folder(tmp_path):
    logger = Choice(CSVLogger, {"name": "", "version": "", "flush_logs_every_n_steps": 1})
    for outcome in runs_with(logger, tmp_path / "r"):
        rows = list(csv.DictReader((outcome.folder / "metrics.csv").open()))
        assert [row["context/loss"] for row in rows] == [str(p.loss) for p in outcome.result.learning_curve]
        assert "learner.n_ctx: 4" in (outcome.folder / "hparams.yaml").read_text()


def test_a_logger_changes_no_id(tmp_path):
    logger = Choice(CSVLogger, {"name": "", "version": ""})
    plain, logged = (
        run(small_settings(COOP, tmp_path / name, logger=one)) for name, one in [("a", None), ("b", logger)]
    )
    assert plain.result.fit_id == logged.result.fit_id
    assert plain.result.evaluations == logged.result.evaluations


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard isn't installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = Choice(TensorBoardLogger, {"name": "", "version": "", "default_hp_metric": False})
    for outcome in runs_with(logger, tmp_path / "r"):
        events = EventAccumulator(str(outcome.folder)).Reload()
        assert [e.value for e in events.Scalars("context/loss")] == pytest.approx(
            [p.loss for p in outcome.result.learning_curve]
        )
        (top1,) = events.Scalars("test/top1")
        assert top1.value == pytest.approx(outcome.result.evaluations["test"].metrics.top1)


def test_mlflow(tmp_path):
    for package in ("mlflow", "alembic"):
        pytest.importorskip(package, reason="the extra mlflow isn't installed")
    from mlflow import MlflowClient

    (tmp_path / "r").mkdir()
    place = {"tracking_uri": f"sqlite:///{tmp_path}/r/mlflow.db", "artifact_location": str(tmp_path / "r" / "mlflow")}
    outcomes = runs_with(Choice(MLFlowLogger, {"experiment_name": "promptlab", **place}), tmp_path / "r")
    client = MlflowClient(place["tracking_uri"])
    found = {
        r.data.params["fit_id"]: r
        for r in client.search_runs([client.get_experiment_by_name("promptlab").experiment_id])
    }
    assert found.keys() == {outcome.result.fit_id for outcome in outcomes}
    for outcome in outcomes:
        one = found[outcome.result.fit_id]
        assert one.info.status == "FINISHED"
        assert one.data.params["learner.n_ctx"] == "4"
        assert one.data.metrics["test/top1"] == outcome.result.evaluations["test"].metrics.top1
        assert len(client.get_metric_history(one.info.run_id, "context/loss")) == 2


def test_wandb_offline(tmp_path):
    wandb = pytest.importorskip("wandb", reason="the extra wandb isn't installed")
    outcomes = runs_with(Choice(WandbLogger, {"project": "promptlab", "offline": True}), tmp_path / "r")
    assert wandb.run is None  # the second had a run of its own
    wandb.teardown()  # its service has written all
    files = [list(outcome.folder.glob("wandb/offline-run-*/run-*.wandb")) for outcome in outcomes]
    assert [len(found) for found in files] == [1, 1]
    for outcome, (file,) in zip(outcomes, files, strict=True):
        kept = file.read_bytes()
        for text in (outcome.result.fit_id, "learner.n_ctx", "context/loss", "test/top1"):
            assert text.encode() in kept


def test_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "r" / "trackio"))  # which it reads when it is first imported
    pytest.importorskip("trackio", reason="the extra trackio isn't installed")
    from trackio.utils import TRACKIO_DIR

    logger = Choice(TrackioLogger, {"save_dir": str(tmp_path / "r" / "trackio"), "name": "one"})
    outcomes = runs_with(logger, tmp_path / "r")
    database = sqlite3.connect(TRACKIO_DIR / "promptlab.db")
    configs = [json.loads(text) for (text,) in database.execute("select config from configs")]
    assert [config["fit_id"] for config in configs] == [outcome.result.fit_id for outcome in outcomes]
    logged = [json.loads(text) for (text,) in database.execute("select metrics from metrics")]
    assert [values["context/loss"] for values in logged[:2]] == [p.loss for p in outcomes[0].result.learning_curve]
    assert logged[2]["test/top1"] == outcomes[0].result.evaluations["test"].metrics.top1
    assert len(logged) == 6


def test_a_run_that_trains_nothing_is_there_too(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard isn't installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = Choice(TensorBoardLogger, {"name": "", "version": "", "default_hp_metric": False})
    outcome, _ = runs_with(logger, tmp_path / "r", Choice(ZeroShot))
    (top1,) = EventAccumulator(str(outcome.folder)).Reload().Scalars("test/top1")
    assert top1.value == pytest.approx(outcome.result.evaluations["test"].metrics.top1)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_tracker_that_is_not_there_is_a_message(name, monkeypatch, capsys):
    monkeypatch.setattr(trackers, "find_spec", lambda module: None)
    assert main([f"logger={name}"]) == 2
    assert f"needs {name}: pip install 'promptlab-clip[{name}]'" in capsys.readouterr().err


def test_settings_and_scores_as_a_tracker_shows_them(tmp_path):
    settings = small_settings(COOP, tmp_path / "r")
    shown = shown_settings(settings)
    groups = ("learner", "dataset", "protocol", "backbone")
    assert [shown[group] for group in groups] == ["coop", "source", "few_shot", "demo"]
    assert (shown["learner.optim.epochs"], shown["shots"]) == (2, 2)
    assert not {"results", "force", "logger"} & shown.keys()
    result = run(settings).result
    assert scores_of(result)["test/top1"] == result.evaluations["test"].metrics.top1
    assert scores_of(result)["test/zero_shot_top1"] == result.evaluations["test"].zero_shot.top1
