"""The same done in several processes."""

import os
import signal

import pytest

from promptlab.support import processes
from promptlab.support.processes import in_processes


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(processes, "usable_cpus", lambda: 2)


def test_other_processes_do_it_in_order():
    numbers = list(range(50))
    found = in_processes(lambda number: (number, os.getpid()), numbers)
    assert [number for number, _ in found] == numbers
    assert os.getpid() not in {process for _, process in found}


def test_one_core_does_it_itself(monkeypatch):
    monkeypatch.setattr(processes, "usable_cpus", lambda: 1)
    assert in_processes(lambda _: os.getpid(), [1, 2]) == [os.getpid()] * 2


def test_an_error_comes_back():
    with pytest.raises(ZeroDivisionError):
        in_processes(lambda number: 1 // number, [1, 0, 2])


def test_a_killed_process_costs_nothing_but_time():
    here = os.getpid()

    def killed(number):
        if os.getpid() != here and number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert in_processes(killed, list(range(6))) == list(range(6))
