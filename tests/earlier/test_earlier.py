"""What promptlab 0.1.0 at 69d8333 wrote is read, found again and gone on with: Results, saved learners, a killed run.

``written/`` holds Results of all five protocols, of SHIP, of a learner that searches and of a sweep over three seeds,
five saved learners with their logits, and a run that was killed after three of six epochs beside the same run
undisturbed; ``commands.json`` are the command lines that made them.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import promptlab
from promptlab.cli.main import main
from promptlab.results.predictions import read_predictions
from promptlab.results.store import find_results, read_result
from promptlab.training.module import StageModule

WRITTEN = Path(__file__).parent / "written"
COMMANDS = json.loads((WRITTEN / "commands.json").read_text())
SAVED = sorted(path.name for path in (WRITTEN / "saved").iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy to work in."""
    shutil.copytree(WRITTEN, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", find_results(WRITTEN), ids=lambda path: "/".join(path.parts[-5:-1]))
def test_results_and_predictions_read(path):
    result = read_result(path)
    raw = json.loads(path.read_text())
    assert result.fit_id == path.parent.name
    for name, part in result.evaluations.items():
        assert part.metrics.top1 == raw["evaluations"][name]["metrics"]["top1"]
        predictions = read_predictions(path.parent / part.predictions)
        hits = (predictions.top_ids[:, 0] == predictions.labels).mean()
        assert hits == pytest.approx(part.metrics.top1)


@pytest.mark.parametrize("command", COMMANDS["finished"], ids=lambda command: " ".join(command[-4:])[:60])
def test_finished_runs_are_found_again(command, folder, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(command) == 0
    assert capsys.readouterr().out.count("finished already") == (3 if "-m" in command else 1)
    assert {path: path.read_bytes() for path in before} == before
    assert len(find_results(folder)) == len(find_results(WRITTEN))


@pytest.mark.parametrize("name", SAVED)
def test_saved_learners_score_as_they_did(name):
    learner = promptlab.load_learner(WRITTEN / "saved" / name)
    features = torch.from_numpy(np.load(WRITTEN / "features" / "target_test.npz")["features"])
    with torch.no_grad():
        logits = learner(features).numpy()
    np.testing.assert_allclose(logits, np.load(WRITTEN / "saved" / "logits.npz")[name], atol=1e-3)


def test_a_killed_run_goes_on(folder, monkeypatch):
    epochs = []
    start = StageModule.on_train_epoch_start
    monkeypatch.setattr(
        StageModule, "on_train_epoch_start", lambda self: (epochs.append(self.current_epoch), start(self))
    )
    assert main(COMMANDS["unfinished"]) == 0
    assert epochs == [3, 4, 5]
    (found,), (wanted,) = find_results(folder / "unfinished"), find_results(folder / "uninterrupted")
    assert found.parent.name == wanted.parent.name
    assert [point.epoch for point in read_result(found).learning_curve] == list(range(6))
    learned, expected = (load_file(path.with_name("learned.safetensors")) for path in (found, wanted))
    np.testing.assert_allclose(learned["ctx"], expected["ctx"], atol=1e-5)
    assert not found.with_name("resume.ckpt").exists()
