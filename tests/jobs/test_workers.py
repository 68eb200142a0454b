"""Processes of a sweep end with it."""

import os
import subprocess
import sys
import time

from promptlab.jobs.workers import LostWorkerError, end_with

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, time
from promptlab.jobs import workers
workers._LOOK_SECONDS = 0.05
workers.end_with(os.getppid())
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


def test_a_process_is_watched_once():
    ended = []
    for _ in range(3):
        end_with(os.getppid(), ended.append)
    assert not ended


def test_a_lost_worker_is_a_message():
    assert "the same command goes on" in str(LostWorkerError())


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
