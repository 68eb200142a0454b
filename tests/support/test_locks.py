import errno
import fcntl
import os
import threading

import pytest

from promptlab.support.locks import HeldError, lock_file


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
