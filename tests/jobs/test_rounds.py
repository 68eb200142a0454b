"""Going through a grid whatever becomes of single runs and their processes."""

from concurrent.futures.process import BrokenProcessPool

import pytest

from promptlab.jobs.grid import read_grid
from promptlab.jobs.notes import read_note, sign_path, write_note
from promptlab.jobs.rounds import IN_VAIN, KILLED, Rounds, left_of
from promptlab.support.errors import UsageError
from tests.helpers.sweeps import finish, leave_sign, make_sweep


class Launcher:
    """Does runs as a script of the test says: by default each ends with a note."""

    def __init__(self, folder):
        self.folder, self.calls = folder, []
        self.held, self.deadly, self.dies_in_vain, self.raises = set(), set(), 0, None

    def __call__(self, numbers, wait):
        self.calls.append((list(numbers), wait))
        if self.raises is not None:
            raise self.raises
        if self.dies_in_vain:
            self.dies_in_vain -= 1
            raise BrokenProcessPool
        for place, number in enumerate(numbers):
            if number in self.deadly:
                for flying in numbers[place : place + 2]:  # two processes; both end when one is killed
                    leave_sign(sign_path(self.folder, flying), alive=False)
                raise BrokenProcessPool
            if number not in self.held or wait:
                write_note(self.folder, number, {"overrides": [], "folder": "f"})
                sign_path(self.folder, number).unlink(missing_ok=True)

    def go(self, left=(0, 1, 2, 3)):
        Rounds(self.folder, read_grid(self.folder), self, as_json=False).go(left)


@pytest.fixture
def launcher(tmp_path):
    return Launcher(make_sweep(tmp_path))


def test_all_in_one_round(launcher):
    launcher.go()
    assert launcher.calls == [([0, 1, 2, 3], False)]


def test_what_is_at_work_elsewhere_is_left_for_later_and_then_waited_for(launcher):
    launcher.held = {0, 2}
    launcher.go()
    assert launcher.calls == [([0, 1, 2, 3], False), ([0, 2], False), ([0, 2], True)]


def test_a_run_that_ends_its_process_takes_no_other_along(launcher, capsys):
    launcher.deadly = {1}
    launcher.go()
    assert launcher.calls == [([0, 1, 2, 3], False), ([1, 2, 3], False), ([3], False), ([1], False), ([2], False)]
    assert read_note(launcher.folder, 1)["error"] == KILLED
    assert [read_note(launcher.folder, number)["folder"] for number in (0, 2, 3)] == ["f"] * 3
    out, err = capsys.readouterr()
    assert "2/4  learner=coop seed=2  failed: the process that computed it was killed" in out
    assert "alone: promptlab learner=coop seed=2" in out
    assert err.count("2 runs that may have been in it begin again, the others go on") == 2


def test_an_old_sign_is_no_process_of_this_round(launcher):
    leave_sign(sign_path(launcher.folder, 3), alive=False)
    launcher.dies_in_vain = IN_VAIN
    launcher.go()
    assert launcher.calls == [([0, 1, 2, 3], False)] * (IN_VAIN + 1)


def test_processes_that_never_begin_end_the_sweep(launcher):
    launcher.dies_in_vain = IN_VAIN + 1
    with pytest.raises(BrokenProcessPool):
        launcher.go()


@pytest.mark.parametrize("error", [UsageError("no such launcher"), TypeError("a defect")])
def test_what_is_no_lost_process_is_raised_at_once(launcher, error):
    launcher.raises = error
    with pytest.raises(type(error)):
        launcher.go()
    assert len(launcher.calls) == 1


def test_what_another_process_noted_meanwhile_is_not_launched_again(launcher):
    launcher.held = {0, 1}
    real = launcher.__call__

    def launch(numbers, wait):
        real(numbers, wait)
        write_note(launcher.folder, 0, {"overrides": [], "error": "it failed there"})

    Rounds(launcher.folder, read_grid(launcher.folder), launch, as_json=False).go([0, 1, 2])
    assert [call for call, _ in launcher.calls] == [[0, 1, 2], [1], [1]]


def test_a_sweep_that_goes_on_makes_what_is_not_done(tmp_path):
    folder = make_sweep(tmp_path)
    finish(tmp_path, "coop", 2)
    assert left_of(folder) == [0, 1, 2, 3], "a sweep that begins finds by ids what is finished"
    write_note(folder, 0, {"overrides": [], "folder": str(finish(tmp_path, "coop", 1))})
    write_note(folder, 2, {"overrides": [], "error": "no"})
    assert left_of(folder) == [1, 2, 3], "and so does one that goes on, but for what it has made itself"
