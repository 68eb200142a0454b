"""``promptlab status`` and ``promptlab sweep resume``."""

import json
import subprocess
import sys

import pytest

import promptlab.cli.status
import promptlab.jobs.job
from promptlab.cli.main import main
from promptlab.jobs.notes import sign_path, write_note
from promptlab.jobs.resume import take_up
from promptlab.support.at_work import at_work
from promptlab.support.errors import PromptlabError, UsageError
from promptlab.support.locks import HeldError
from tests.helpers.sweeps import finish, make_sweep


def run_main(capsys, *arguments):
    capsys.readouterr()
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_status_needs_no_torch_and_no_hydra(tmp_path):
    finish(tmp_path, "coop", 1)
    make_sweep(tmp_path)
    script = (
        "import sys; from promptlab.cli.main import main; status = main(['status', sys.argv[1]]);"
        "heavy = {'torch', 'hydra', 'lightning', 'open_clip'} & sys.modules.keys();"
        "sys.exit(f'imported {heavy}' if heavy or status else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 done, 3 missing of 4 runs; about 9 s left" in done.stdout
    assert "1 done by Results of the same settings, which the sweep hasn't looked at yet" in done.stdout


def test_a_status_shows_the_grid_and_what_needs_a_look(capsys, tmp_path):
    folder = make_sweep(tmp_path, seeds=(1, 2, 3))
    finish(tmp_path, "coop", 1)
    write_note(folder, 1, {"overrides": [], "error": "the loss is nan"})
    with at_work(sign_path(folder, 2)):
        out = run_main(capsys, "status", str(tmp_path))[1]
        assert json.loads(run_main(capsys, "status", str(tmp_path), "--json")[1])["counts"]["running"] == 1
    lines = [line.split() for line in out.splitlines()]
    assert lines[2:5] == [
        ["learner", "seed", "done", "running", "failed", "missing"],
        ["coop", "1", "1"],
        ["coop", "2", "1"],
    ]
    assert "running 3/6  learner=coop seed=3, for 0 s, by process" in out
    assert "failed 2/6  learner=coop seed=2: the loss is nan\n        promptlab learner=coop seed=2" in out
    assert "sweep resume" not in out, "somebody works on it"


def test_many_runs_are_counted_by_the_keys_that_come_first(capsys, tmp_path):
    make_sweep(tmp_path, seeds=range(40))
    lines = [line.split() for line in run_main(capsys, "status", str(tmp_path))[1].splitlines()]
    assert lines[2:5] == [["learner", "missing"], ["coop", "40"], ["zero_shot", "40"]]
    assert lines[5][:3] == ["promptlab", "sweep", "resume"]


def test_a_folder_without_a_sweep_is_a_message(capsys, tmp_path):
    status, _, err = run_main(capsys, "status", str(tmp_path))
    assert (status, err.startswith(f"promptlab: there is no sweep in {tmp_path}: promptlab -m")) == (2, True)


def test_watching_ends_when_nothing_is_left_to_do(capsys, tmp_path, monkeypatch):
    make_sweep(tmp_path, learners=("coop",))
    looks = iter([1, 2])
    monkeypatch.setattr(promptlab.cli.status.time, "sleep", lambda _: finish(tmp_path, "coop", next(looks)))
    status, out, _ = run_main(capsys, "status", str(tmp_path), "--watch")
    assert status == 0
    assert "2 done of 2 runs" in out


def test_an_interrupt_ends_watching_quietly(capsys, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    make_sweep(tmp_path)
    monkeypatch.setattr(promptlab.cli.status.time, "sleep", interrupt)
    status, _, err = run_main(capsys, "status", str(tmp_path), "--watch")
    assert (status, err) == (0, "")


def test_a_command_is_taken_up_with_what_is_given_anew(tmp_path, monkeypatch):
    command = ("-m", "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "--config-dir", "conf")
    folder = make_sweep(tmp_path, command=command)
    monkeypatch.chdir(tmp_path)
    where = folder.relative_to(tmp_path)
    assert take_up(folder, []) == (where, list(command))
    assert take_up(folder, ["hydra.launcher.n_jobs=8"])[1] == [
        "-m", "seed=1,2", "hydra/launcher=joblib", "--config-dir", "conf", "hydra.launcher.n_jobs=8"
    ]  # fmt: skip
    assert take_up(tmp_path, ["hydra/launcher=basic"])[1] == [
        "-m", "seed=1,2", "--config-dir", "conf", "hydra/launcher=basic"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="seed=3: the runs of a sweep are written down"):
        take_up(folder, ["seed=3"])


def test_a_sweep_goes_on_in_the_folder_that_it_was_started_in(tmp_path, monkeypatch, capsys):
    (tmp_path / "there").mkdir()
    folder = make_sweep(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    assert take_up("there", [])[0] == folder.relative_to(tmp_path / "there")
    gone = make_sweep(tmp_path / "here", folder="/gone")
    assert take_up(gone, [])[0] == gone
    assert "there is no /gone, where the sweep was started" in capsys.readouterr().err


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """Runs do what a test puts into a list, by seed: an error to raise, or None to be told to go on."""
    monkeypatch.chdir(tmp_path)
    script, calls = {}, []

    def run(settings, *, wait, **kwargs):
        calls.append((settings.seed, wait))
        raise script[settings.seed].pop(0)

    monkeypatch.setattr(promptlab.jobs.job, "run", run)
    return script, calls


def test_a_run_that_is_at_work_elsewhere_is_left_for_later(scripted, capsys):
    script, calls = scripted
    script |= {1: [HeldError("held"), HeldError("held"), PromptlabError("late")], 2: [PromptlabError("no")]}
    status, out, err = run_main(capsys, "-m", "learner=zero_shot", "protocol=few_shot", "views=0", "seed=1,2")
    assert calls == [(1, False), (2, False), (1, False), (1, True)]
    assert status == 1
    assert "1/2  seed=1  is at work elsewhere: left for later" in out
    assert "2 of 2 runs failed:\n1/2  late\n" in err


def test_failed_runs_are_repeated_by_their_sweep_alone(scripted, capsys):
    script, calls = scripted
    script |= {1: [PromptlabError("no"), PromptlabError("again no")], 2: [PromptlabError("no")] * 2}
    run_main(capsys, "-m", "learner=zero_shot", "protocol=few_shot", "views=0", "seed=1,2")
    del calls[:]
    status, _, err = run_main(capsys, "sweep", "resume")
    assert (status, calls) == (1, [(1, False), (2, False)])
    assert "1/2  again no" in err
    counts = json.loads(run_main(capsys, "status", "--json")[1])["counts"]
    assert (counts["failed"], counts["done"]) == (2, 0)


def test_every_sweep_of_a_folder_is_shown(capsys, tmp_path):
    first = make_sweep(tmp_path)
    other = first.with_name("2026-11-27_00-00-00-000000")
    other.mkdir()
    (other / "grid.json").write_bytes((first / "grid.json").read_bytes())
    assert run_main(capsys, "status", str(tmp_path / "sweeps"))[1].count("4 missing of 4 runs") == 2
    assert len(json.loads(run_main(capsys, "status", str(tmp_path / "sweeps"), "--json")[1])) == 2
    status, _, err = run_main(capsys, "sweep", "resume", str(tmp_path / "sweeps"))
    assert (status, "holds 2 sweeps: name one of them" in err) == (2, True)
