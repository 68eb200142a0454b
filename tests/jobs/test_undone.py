"""What sweeps have left undone, as a report is told of it."""

import dataclasses
import logging

from promptlab.jobs.grid import read_grid, write_grid
from promptlab.jobs.notes import sign_path, write_note
from promptlab.jobs.undone import undone_sweeps
from promptlab.results.store import RESULT_NAME, load_results
from promptlab.support.at_work import at_work
from tests.helpers.sweeps import finish, leave_sign, make_sweep


def told(root, roots=None):
    found = undone_sweeps(roots or [root], load_results(root))
    return [[(run.state, run.settings) for run in sweep.runs] for sweep in found]


def another(folder, name, **changes):
    write_grid(folder.with_name(name), dataclasses.replace(read_grid(folder), **changes))


def test_every_state_but_done_comes_with_its_command(tmp_path):
    folder = make_sweep(tmp_path, flags=("--config-dir", "my conf"))
    finish(tmp_path, "coop", 1)
    write_note(folder, 1, {"overrides": [], "error": "the loss is nan\nat step 3"})
    leave_sign(sign_path(folder, 2), alive=False)
    (sweep,) = undone_sweeps([tmp_path], load_results(tmp_path))
    assert [run.state for run in sweep.runs] == ["failed", "interrupted", "missing"]
    assert [run.error for run in sweep.runs] == ["the loss is nan at step 3", "", ""]
    assert sweep.runs[0].command == "promptlab --config-dir 'my conf' learner=coop seed=2"
    assert sweep.sentence == (
        f"{folder}: 3 of 4 runs have no result (1 failed, 1 interrupted, 1 missing); "
        f"promptlab sweep resume {folder} goes on with what is left."
    )


def test_nobody_is_told_to_go_on_with_what_is_at_work(tmp_path):
    folder = make_sweep(tmp_path)
    with at_work(sign_path(folder, 0)):
        (sweep,) = undone_sweeps([tmp_path], [])
    assert (sweep.runs[0].state, sweep.command) == ("running", "")
    assert "processes are at work on it" in sweep.sentence


def test_a_sweep_that_is_done_is_not_told_of(tmp_path):
    make_sweep(tmp_path, learners=("coop",))
    for seed in (1, 2):
        finish(tmp_path, "coop", seed)
    assert told(tmp_path) == []


def test_a_run_of_several_sweeps_is_told_of_once_with_the_last(tmp_path):
    folder = make_sweep(tmp_path)
    another(folder, "2026-11-27_00-00-00-000000", runs=read_grid(folder).runs[:3])
    last, first = told(tmp_path)
    assert (len(last), first) == (3, [("missing", "learner=zero_shot seed=2")])
    assert told(tmp_path, [tmp_path, tmp_path / "sweeps"]) == [last, first]


def test_a_sweep_that_cannot_be_read_is_named_and_skipped(tmp_path, caplog):
    folder = make_sweep(tmp_path)
    another(folder, "torn")
    (folder.with_name("torn") / "grid.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert len(told(tmp_path)) == 1
    assert "torn" in caplog.text


def test_results_that_were_read_are_not_read_again(tmp_path, monkeypatch):
    make_sweep(tmp_path)
    finish(tmp_path, "coop", 1)
    results = load_results(tmp_path)
    monkeypatch.setattr("promptlab.jobs.found._light", lambda path: f"{path} was read again")
    (sweep,) = undone_sweeps([tmp_path], results)
    assert len(sweep.runs) == 3
    assert next(tmp_path.rglob(RESULT_NAME)).exists()
