"""Options of Lightning, the curve, and what a run leaves: what people hit, with what is right."""

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

import promptlab
from promptlab.cli.main import main
from tests.helpers.drawn import pictures

SHORT = ("learner=coop", "shots=2", "learner.optim.epochs=2", "views=0", "protocol=few_shot")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("devices=2", "trainer.devices=2: one fit trains on one device"),  # case trainer-devices-2
        ("strategy=ddp", "trainer.strategy='ddp': one fit trains on one device"),
        (
            "accelerator=gpu",
            "where its backbone is, which is on the cpu: set the backbone's device (backbone.device=cuda)",
        ),
        ("precision=8", "trainer.precision=8: 32-true, bf16-mixed or, on a GPU, 16-mixed is needed"),
        ("precision=16-mixed", "a CPU has no 16-bit autocast: use bf16-mixed"),
        ("max_time=now", "trainer.max_time='now': a time above zero for each stage, as DD:HH:MM:SS"),
        ("accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0: a number of batches from 1"),
        (
            "callbacks=[{_target_: lightning.pytorch.callbacks.Timer}]",
            "promptlab.fit(..., trainer={'callbacks': [...]})",
        ),
        ("logger=true", "a logger is chosen with logger=csv"),
        ("fast_dev_run=true", "give shots=1 views=0"),
        ("val_check_interval=0.5", "select=val compares epochs"),
    ],
)
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=1,2")], ids=["run", "sweep"])
def test_an_option_of_lightning_is_refused_before_anything_is_written(tmp_path, capsys, option, message, sweep):
    assert main([*sweep, *SHORT, f"results={tmp_path}/results", f"trainer.{option}"]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run with all that is to be said: too few images, an epoch of warm-up; and its output."""
    folder = tmp_path_factory.mktemp("ran")
    pictures(folder / "pictures", classes=4, each=10)
    learner = ("learner=coop", "learner.n_ctx=2", "learner.optim.epochs=1", "logger=csv")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.setenv("PROMPTLAB_CACHE", str(folder / "cache"))
        status = main(
            [*learner, "dataset=folder", f"dataset.path={folder}/pictures", "shots=200", "views=0",
             f"results={folder}/results"]
        )  # fmt: skip
    assert status == 0
    (folder / "said.txt").write_text(" ".join(said.getvalue().split()))
    return folder


def test_the_curve_stands_beside_the_run(ran):
    (result,) = promptlab.load_results(ran / "results")
    with open(result.folder / "metrics.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    (point,) = result.learning_curve
    assert (int(row["epoch"]), float(row["context/loss"])) == (0, pytest.approx(point.loss))
    assert {"context/lr", "context/accuracy"} <= row.keys()
    assert not (ran / "results" / "logs").exists()


def test_what_there_was_is_said_in_the_result(ran):
    (result,) = promptlab.load_results(ran / "results")
    assert any("classes have fewer than 200 training images" in note for note in result.notes)
    assert any("stage context learns next to nothing: its only epoch is warm-up" in note for note in result.notes)


def test_what_there_was_is_said_on_the_screen_and_in_the_table(ran, capsys):
    said = (ran / "said.txt").read_text()
    assert "4 classes have fewer than 200 training images, and all of them train: " in said
    assert "learning rate of 1e-05, not 0.002 (optim.warmup_epochs=1): give it more epochs, or warmup_epochs=0" in said
    assert "shots 200, images a class " in said
    assert main(["report", str(ran / "results"), "--format", "markdown"]) == 0
    assert "images a class" in capsys.readouterr().out


def test_the_card_of_a_scored_run_holds_its_scores(ran):
    (result,) = promptlab.load_results(ran / "results")
    training = json.loads((result.folder / "card.json").read_text())["training"]
    assert training["top1"] == {name: scored.metrics.top1 for name, scored in result.evaluations.items()}
    assert training["harmonic"] == result.harmonic.learner
    assert promptlab.load_learner(result.folder, device="cpu").class_names == result.fit.class_names


def test_rows_are_what_pandas_takes(ran):
    results = promptlab.load_results(ran / "results")
    rows = results.rows()
    assert [row["evaluation"] for row in rows] == ["base", "new"]
    assert {row["folder"] for row in rows} == {str(results[0].folder)}
    frame = pytest.importorskip("pandas").DataFrame(rows)
    assert frame["top1"].tolist() == [scored.metrics.top1 for scored in results[0].evaluations.values()]
    assert frame["learner.n_ctx"].tolist() == [2, 2]


def test_predictions_name_their_files(ran):
    (result,) = promptlab.load_results(ran / "results")
    predictions = promptlab.read_predictions(result.folder / "predictions-base.safetensors")
    rows = predictions.rows()
    assert all(row["file"].startswith(f"{row['label']}/") for row in rows)
    assert np.mean([row["correct"] for row in rows]) == result.evaluations["base"].metrics.top1


def test_a_result_and_its_metrics_print_as_tables(ran):
    (result,) = promptlab.load_results(ran / "results")
    assert [len(str(shown).splitlines()) for shown in (result, result.evaluations["new"].metrics)] == [4, 6]
    for shown in (result, result.evaluations["new"].metrics):
        assert len(repr(shown)) < 200
        assert shown._repr_html_().startswith("<table>")
