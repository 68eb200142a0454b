"""Signs of processes at work: a killed one is told from one that lives, here and on another machine."""

import json
import os
import subprocess
import sys
import time

import pytest

from promptlab.support import at_work as module
from promptlab.support.at_work import SILENT_SECONDS, at_work, is_alive, own_sign, read_sign, wait_for_others
from promptlab.support.locks import HeldError

WORKING = """
import sys, time
from pathlib import Path
from promptlab.support.at_work import at_work
with at_work(Path(sys.argv[1]), "seed=1"):
    print("working", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_is_told_from_one_that_works(tmp_path):
    sign = tmp_path / "sign"
    process = subprocess.Popen([sys.executable, "-c", WORKING, str(sign)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    found = read_sign(sign)
    assert (found.process, found.about, found.is_own) == (process.pid, "seed=1", False)
    assert is_alive(sign)
    with pytest.raises(HeldError, match=f"process {process.pid} of .* works in"):
        wait_for_others(sign, wait=False)
    process.kill()
    process.wait()
    assert not is_alive(sign)
    wait_for_others(sign)


def write(path, **changes):
    path.write_text(json.dumps({**vars(own_sign()), **changes}))
    return path


def test_a_number_that_went_to_another_process_is_not_the_old_one(tmp_path):
    assert is_alive(write(tmp_path / "sign"))
    assert not is_alive(write(tmp_path / "sign", started="1"))


@pytest.mark.parametrize(("silent", "alive"), [(SILENT_SECONDS - 30, True), (SILENT_SECONDS + 30, False)])
def test_of_another_machine_the_last_touch_says_it(tmp_path, silent, alive):
    sign = write(tmp_path / "sign", machine="another", host="node7", process=1)
    os.utime(sign, (time.time() - silent,) * 2)
    assert is_alive(sign) is alive


def test_a_sign_is_touched_while_the_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    sign = tmp_path / "sign"
    with at_work(sign):
        os.utime(sign, (0, 0))
        deadline = time.monotonic() + 20
        while sign.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize(("error", "left"), [(ValueError, False), (KeyboardInterrupt, True)])
def test_work_that_is_broken_off_leaves_its_sign_and_work_that_fails_does_not(tmp_path, error, left):
    sign = tmp_path / "sign"
    with pytest.raises(error), at_work(sign):
        raise error
    assert sign.exists() is left
    assert not is_alive(sign), "this process lives on, and works no more"


def test_the_sign_of_whoever_took_over_stays(tmp_path):
    sign = tmp_path / "sign"
    with at_work(sign):
        write(sign, process=1)
    assert read_sign(sign).process == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}'])
def test_what_is_no_sign_is_none(tmp_path, text):
    (tmp_path / "sign").write_text(text)
    assert read_sign(tmp_path / "sign") is None
    assert not is_alive(tmp_path / "sign")
