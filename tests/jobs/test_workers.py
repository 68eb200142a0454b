"""Processes of a sweep end with it."""

import os
import subprocess
import sys
import threading
import time

import pytest

from promptlab.jobs.workers import LauncherError, LostWorkerError, end_with, is_of_launcher

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, time
from promptlab.jobs import workers
workers._LOOK_SECONDS = 0.05
workers.end_with(os.getppid())
print("watching", flush=True)
time.sleep(60)
'''])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_worker_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "watching\n"
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_whose_parent_is_there_goes_on():
    ended = threading.Event()
    end_with(os.getppid(), lambda status: ended.set())
    assert not ended.wait(0.1)
    end_with(-1, lambda status: ended.set())
    assert ended.wait(10)


def test_processes_of_joblib_end_with_the_sweep_before_they_have_a_job():
    pytest.importorskip("joblib")
    code = (
        "import time; from joblib import Parallel, delayed; from promptlab.jobs import workers;"
        "from joblib.externals.loky import reusable_executor;"
        "workers._register_backend();"
        "Parallel(n_jobs=2, backend='loky')(delayed(time.sleep)(0) for _ in range(2));"
        "print(*reusable_executor._executor._processes, flush=True);"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    found = [int(process) for process in parent.stdout.readline().split()]
    assert len(found) == 2
    assert all(map(is_running, found))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(map(is_running, found)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_lost_worker_is_a_message():
    assert "the same command goes on" in str(LostWorkerError())


def test_what_a_launcher_gives_up_with_is_a_message():
    raising = {"__name__": "ray._private.node"}
    exec("def start():\n    raise Exception('timed out')", raising)
    with pytest.raises(Exception, match="timed out") as caught:
        raising["start"]()
    assert is_of_launcher(caught.value)
    assert "the launcher gave up: Exception: timed out. The same command" in str(LauncherError(caught.value))
    assert not is_of_launcher(ValueError("a defect of ours"))


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
