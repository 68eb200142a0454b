"""How far a sweep is: states, time left, and where Results are found."""

import json

import pytest

from promptlab.config.same import settings_key
from promptlab.jobs.alike import Kind, seconds_left
from promptlab.jobs.grid import GridError, read_grid, sweeps_in
from promptlab.jobs.notes import parent_sign, sign_path, write_note
from promptlab.jobs.rounds import left_of
from promptlab.jobs.status import SweepWatcher, look
from promptlab.jobs.status_table import described
from promptlab.results.store import SIGN_NAME
from promptlab.support.at_work import at_work
from tests.helpers.sweeps import document_of, finish, leave_sign, make_sweep


def states(folder):
    return [run.state for run in look(folder).runs]


def test_a_grid_is_read_as_it_was_written(tmp_path):
    grid = read_grid(make_sweep(tmp_path, flags=("--config-dir", "conf")))
    assert [run.shown for run in grid.runs][1] == ("learner=coop", "seed=2")
    assert grid.runs[0].kind == Kind(
        learner="coop", dataset="dataset", protocol="protocol", backbone="backbone", shots="4"
    )
    assert grid.place_of(0) == "1/4"
    assert grid.varying(["shots=1", "seed=2"]) == "seed=2"
    assert grid.alone(["seed=2"]) == ["promptlab", "--config-dir", "conf", "seed=2"]


def test_nothing_has_begun(tmp_path):
    status = look(make_sweep(tmp_path))
    assert status.counts == {"done": 0, "running": 0, "failed": 0, "interrupted": 0, "missing": 4}
    assert (status.seconds_left, status.is_over, status.parents) == (None, False, 0)


def test_results_count_wherever_they_are_filed_and_whoever_made_them(tmp_path):
    folder = make_sweep(tmp_path)
    done = finish(tmp_path / "put" / "away", "coop", 1, results="elsewhere", ckpt_every_s=0.0)
    finish(tmp_path, "coop", 2, shots=8)
    status = look(folder)
    assert [run.state for run in status.runs] == ["done", "missing", "missing", "missing"]
    assert status.runs[0].folder == done


def test_a_result_of_the_same_settings_is_looked_at_before_the_sweep_is_done(tmp_path):
    folder = make_sweep(tmp_path, learners=("coop",))
    done = [finish(tmp_path, "coop", seed) for seed in (1, 2)]
    write_note(folder, 0, {"overrides": [], "folder": str(done[0])})
    status = look(folder)
    assert [run.found for run in status.runs] == [False, True]
    assert left_of(folder) == [1], "its images may be others by now, which only the run sees"
    assert [run["found"] for run in described(status)["runs"]] == [False, True]
    assert status.is_over
    with at_work(parent_sign(folder)):
        assert not look(folder).is_over
    write_note(folder, 1, {"overrides": [], "folder": str(done[1])})
    assert left_of(folder) == []


def test_results_from_before_do_not_count_where_all_are_repeated(tmp_path):
    folder = make_sweep(tmp_path, force=True)
    done = finish(tmp_path, "coop", 1)
    assert states(folder)[0] == "missing"
    write_note(folder, 0, {"overrides": [], "folder": str(done)})
    assert states(folder)[0] == "done"


def test_a_note_is_believed_only_while_its_result_is_there(tmp_path):
    folder = make_sweep(tmp_path)
    done = finish(tmp_path, "coop", 1, shots=9)
    write_note(folder, 0, {"overrides": [], "folder": str(done)})
    assert states(folder)[0] == "done"
    (done / "result.json").write_text("{torn")
    assert states(folder)[0] == "failed"
    (done / "result.json").unlink()
    assert states(folder)[0] == "missing"


def test_results_that_were_moved_with_their_sweep_are_found(tmp_path):
    folder = make_sweep(tmp_path / "old", force=True)
    write_note(folder, 0, {"overrides": [], "folder": str(finish(tmp_path / "old", "coop", 1))})
    (tmp_path / "old").rename(tmp_path / "new")
    assert states(tmp_path / "new" / "sweeps" / folder.name)[0] == "done"


@pytest.mark.parametrize("where", ["the sweep's own", "another sweep's, or alone"])
@pytest.mark.parametrize(("alive", "state"), [(True, "running"), (False, "interrupted")])
def test_a_sign_says_who_works_and_who_was_killed(tmp_path, where, alive, state):
    folder = make_sweep(tmp_path)
    key = settings_key(document_of("coop", 2))
    path = sign_path(folder, 1) if where == "the sweep's own" else tmp_path / "d" / SIGN_NAME
    leave_sign(path, alive, about=key)
    assert states(folder) == ["missing", state, "missing", "missing"]
    finish(tmp_path, "coop", 2)
    assert states(folder)[1] == "done"


def test_a_failed_run_that_is_tried_again_is_no_longer_failed(tmp_path):
    folder = make_sweep(tmp_path)
    write_note(folder, 0, {"overrides": [], "error": "the disk is full"})
    run = look(folder).runs[0]
    assert (run.state, run.error) == ("failed", "the disk is full")
    leave_sign(sign_path(folder, 0), alive=False)
    assert states(folder)[0] == "interrupted"
    leave_sign(sign_path(folder, 0), alive=True)
    assert states(folder)[0] == "running"


def test_time_left_follows_from_like_runs(tmp_path):
    folder = make_sweep(tmp_path, seeds=(1, 2, 3))
    for seed, seconds in ((1, 10.0), (2, 30.0)):
        finish(tmp_path, "coop", seed, seconds)
    finish(tmp_path, "zero_shot", 1, 1.0)
    assert look(folder).seconds_left == 20.0 + 1.0 + 1.0


def test_time_left_of_several_at_once():
    assert seconds_left([6.0, 6.0], [(6.0, 2.0), (6.0, 4.0)]) == 9.0
    assert seconds_left([], [(6.0, 60.0)]) == 0.0
    assert seconds_left([2.0], [(60.0, 0.0), (1.0, 0.0)]) == 60.0, "the longest can't be shared"
    assert seconds_left([None, 2.0], []) is None


def test_what_has_changed_is_seen_at_the_next_look(tmp_path):
    watcher = SweepWatcher(make_sweep(tmp_path))
    assert watcher.look().counts["done"] == 0
    finish(tmp_path, "coop", 1)
    assert watcher.look().counts["done"] == 1
    write_note(watcher.folder, 1, {"overrides": [], "error": "no"})
    for learner, seed in (("zero_shot", 1), ("zero_shot", 2)):
        finish(tmp_path, learner, seed)
    assert watcher.look().is_over


def test_the_document_is_plain(tmp_path):
    folder = make_sweep(tmp_path)
    leave_sign(sign_path(folder, 3), alive=True)
    document = json.loads(json.dumps(described(look(folder))))
    assert document["counts"]["running"] == 1
    assert document["runs"][3]["state"] == "running"
    assert document["runs"][3]["by"].keys() == {"host", "process", "since"}


def test_which_sweep_a_folder_means(tmp_path):
    first = make_sweep(tmp_path)
    last = first.with_name("2026-11-27_00-00-00-000000")
    last.mkdir()
    (last / "grid.json").write_bytes((first / "grid.json").read_bytes())
    assert sweeps_in(tmp_path) == [last]
    assert sweeps_in(first) == [first]
    assert sweeps_in(tmp_path / "sweeps") == [first, last]
    with pytest.raises(GridError, match="there is no sweep in"):
        sweeps_in(tmp_path / "none")


def test_a_grid_that_cannot_be_read_is_a_message(tmp_path):
    folder = make_sweep(tmp_path)
    (folder / "grid.json").write_text("{torn")
    with pytest.raises(GridError, match=r"grid\.json can't be read .*: start the sweep again"):
        look(folder)
    with pytest.raises(GridError, match="is no sweep's folder"):
        look(tmp_path)
