import os
import subprocess
import sys

import pytest

from promptlab.support import files
from promptlab.support.files import open_atomic, replacing


@pytest.mark.parametrize("way", ["path", "file"])
def test_a_block_that_raises_leaves_the_old_file_alone(tmp_path, way):
    target = tmp_path / "new" / "state.bin"
    for content, fails in ((b"old", False), (b"new", True)):
        try:
            if way == "path":
                with replacing(target) as temporary:
                    temporary.write_bytes(content)
                    assert not fails
            else:
                with open_atomic(target) as file:
                    file.write(content)
                    assert not fails
        except AssertionError:
            assert fails
    assert [path.name for path in target.parent.iterdir()] == ["state.bin"]
    assert target.read_bytes() == b"old"


def test_a_file_has_the_usual_permissions_though_it_was_moved_into_place(tmp_path):
    (tmp_path / "usual").touch()
    with replacing(tmp_path / "state.bin") as temporary:
        other = temporary.with_name("other")  # some writers move a file of their own there
        other.write_bytes(b"whole")
        os.replace(other, temporary)
    assert (tmp_path / "state.bin").read_bytes() == b"whole"
    assert (tmp_path / "state.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode


def left_by(process, folder, host=None):
    """A temporary file as a process leaves it that is killed while it writes."""
    path = folder / f".result.json.{host or files._host()}-{process}.abcdefgh.tmp"
    path.touch()
    return path


def test_what_ended_processes_were_writing_is_swept_and_nothing_else(tmp_path):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    dead, own = left_by(done.pid, tmp_path), left_by(os.getpid(), tmp_path)
    elsewhere, old = left_by(1, tmp_path, host="01234567"), tmp_path / ".card.json.abcdefgh.tmp"
    result = tmp_path / "result.json"
    for path in (old, result):
        path.touch()
        os.utime(path, (0, 0))
    files.sweep_leftovers(tmp_path)
    assert not dead.exists()
    assert not old.exists()
    assert own.exists()
    assert elsewhere.exists()
    assert result.exists()


def test_a_writer_says_whose_its_temporary_file_is(tmp_path):
    with files.replacing(tmp_path / "result.json") as temporary:
        assert f".result.json.{files._host()}-{os.getpid()}." in temporary.name
        files.sweep_leftovers(tmp_path)
        assert temporary.exists()


def test_a_folder_in_place_of_a_file_is_named_itself(tmp_path):
    with (
        pytest.raises(IsADirectoryError, match=f"^{tmp_path} is a folder: the name of a file is needed"),
        replacing(tmp_path),
    ):
        pass
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))
