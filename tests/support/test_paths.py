import os
import stat
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from promptlab.support import paths
from promptlab.support.files import open_atomic, write_bytes_atomic, write_text_atomic


def test_cache_dir_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.delenv("PROMPTLAB_CACHE")
    assert paths.cache_dir() == Path(platformdirs.user_cache_dir("promptlab"))


def test_conf_dir_of_this_installation():
    assert (paths.conf_dir() / "dataset" / "eurosat.yaml").is_file()


def test_conf_dir_prefers_the_checkout_to_a_stale_copy(monkeypatch, tmp_path):
    package = tmp_path / "promptlab"
    (package / "conf").mkdir(parents=True)
    monkeypatch.setattr(paths, "_PACKAGE", package)
    (tmp_path / "conf").mkdir()
    assert paths.conf_dir() == package / "conf"  # site-packages may hold somebody else's conf
    (tmp_path / "pyproject.toml").touch()
    assert paths.conf_dir() == tmp_path / "conf"


def test_paths_import_no_torch():
    code = "import sys, promptlab.data, promptlab.data.readers.split_file; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_atomic_writing_replaces_whole_files(tmp_path):
    path = tmp_path / "new folder" / "a.txt"
    write_text_atomic(path, "é")
    assert path.read_bytes() == "é".encode()
    write_bytes_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text_atomic(path, "old")

    def fail():
        with open_atomic(path) as file:
            file.write(b"half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
