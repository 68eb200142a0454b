import errno
import fcntl
import os
import threading
import time

import pytest

from promptlab.support.locks import HeldError, lock_file, sharing, taking


def test_who_waits_gets_it_when_it_is_let_go(tmp_path, caplog):
    order, path = [], tmp_path / "folder" / "lock"

    def second():
        with lock_file(path):
            order.append("second")

    with lock_file(path):
        other = threading.Thread(target=second)
        other.start()
        while "waiting for it" not in caplog.text:
            pass
        with pytest.raises(HeldError, match=r"another process works in .*folder"), lock_file(path, wait=False):
            pass
        order.append("first")
    other.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, caplog, wait):
    def none(*args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with lock_file(tmp_path / "lock", wait=wait):
        assert "without locks" in caplog.text


def test_what_is_shared_is_held_alone_only_when_the_others_let_go(tmp_path):
    path, order = tmp_path / "lock", []

    def alone():
        with sharing(path, alone=True):
            order.append("alone")

    with sharing(path), sharing(path):
        thread = threading.Thread(target=alone)
        thread.start()
        time.sleep(0.1)
        order.append("shared")
    thread.join(10)
    assert order == ["shared", "alone"]


def test_taking_passes_over_what_others_hold_and_stops_at_enough(tmp_path):
    paths = [tmp_path / name for name in "abcd"]
    with lock_file(paths[0]), taking(paths, lambda held: len(held) == 2) as held:
        assert held == paths[1:3]
        with taking(paths, lambda held: False) as left:
            assert left == [paths[3]]
    with taking(paths, lambda held: False) as held:
        assert held == paths
