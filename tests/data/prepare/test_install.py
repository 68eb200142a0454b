"""From a server to a dataset that can be read, or nothing that reads as one."""

import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile

import pytest

from promptlab.data.prepare import disk, install
from promptlab.data.prepare import install as installing
from promptlab.data.prepare.install import WORK
from promptlab.data.prepare.sources import Remote
from promptlab.support.errors import DatasetError
from tests.helpers import miniatures
from tests.helpers.archives import contents, tar, zip_of
from tests.helpers.benchmarks import opened
from tests.helpers.server import drop, status

LAYOUT = ["eurosat/2750"]


@pytest.fixture
def eurosat(server, tmp_path):
    """EuroSAT's miniature as an archive on the server."""
    miniatures.eurosat(tmp_path / "elsewhere")
    server.content = zip_of(tmp_path / "elsewhere" / "eurosat", tmp_path / "a.zip")
    digest = ("md5", hashlib.md5(server.content).hexdigest())
    return Remote(f"{server.url}/EuroSAT.zip", {"2750": "eurosat/2750"}, digest=digest, checksum_of="the test")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def hidden(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if f"/{WORK}/" in str(path))


def test_a_dataset_is_brought_to_its_place_and_nothing_else_is_left(eurosat, root, hasty):
    said = []
    install([eurosat], root, patience=hasty, say=said.append)
    data = opened("eurosat", root)
    data.train.source.check(data.train.indices)
    assert [path.name for path in (root / "eurosat").iterdir()] == ["2750"]
    assert [line.split()[0] for line in said] == ["downloading", "downloaded", "in"]
    assert "md5 as the test recorded it" in said[1]


def test_an_unknown_checksum_is_said(eurosat, root, hasty):
    said = []
    install([Remote(eurosat.url, eurosat.place)], root, patience=hasty, say=said.append)
    assert "nobody recorded a checksum" in said[1]
    assert (root / "eurosat" / "2750").is_dir()


def test_what_is_there_is_left_as_it_is(eurosat, server, root, hasty):
    mine = root / "eurosat" / "2750" / "mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    install([eurosat], root, patience=hasty)
    assert contents(root) == {"eurosat/2750/mine.jpg": b"mine"}
    assert server.requests == []


def test_an_empty_folder_at_its_place_is_filled(eurosat, root, hasty):
    (root / "eurosat" / "2750").mkdir(parents=True)
    install([eurosat], root, patience=hasty)
    opened("eurosat", root)


def test_what_is_there_in_torchvisions_layout_is_not_fetched(server, root, hasty):
    (root / "caltech101" / "101_ObjectCategories" / "ant").mkdir(parents=True)
    wanted = Remote(server.url, {"101_ObjectCategories": "caltech-101/101_ObjectCategories"})
    install([wanted], root, layouts=["caltech-101/101_ObjectCategories", "caltech101/101_ObjectCategories"])
    assert server.requests == []
    assert [path.name for path in root.iterdir()] == ["caltech101"]


def test_what_another_file_makes_unneeded_is_not_fetched(server, root, hasty):
    (root / "x").mkdir(parents=True)
    (root / "x" / "split.json").touch()
    install([Remote(f"{server.url}/a.mat", {"": "x/a.mat"}, unless=("x/split.json",))], root, patience=hasty)
    assert server.requests == []


def test_a_file_that_is_no_archive(server, root, hasty):
    server.content = b"labels"
    install([Remote(f"{server.url}/a.mat", {"": "x/a.mat"})], root, patience=hasty)
    assert contents(root) == {"x/a.mat": b"labels"}


def test_an_archive_in_an_archive(server, tmp_path, root, hasty):
    inner = tar(tmp_path / "inner", {"101_ObjectCategories/ant/1.jpg": b"ant"}).read_bytes()
    with zipfile.ZipFile(tmp_path / "outer", "w") as archive:
        archive.writestr("caltech-101/101_ObjectCategories.tar.gz", inner)
    server.content = (tmp_path / "outer").read_bytes()
    place = {"101_ObjectCategories": "caltech-101/101_ObjectCategories"}
    inside = "caltech-101/101_ObjectCategories.tar.gz"
    install([Remote(f"{server.url}/c.zip", place, inner=inside)], root, patience=hasty)
    assert contents(root) == {"caltech-101/101_ObjectCategories/ant/1.jpg": b"ant"}


def test_only_what_is_absent_is_put_in_place(server, tmp_path, root, hasty):
    """As after a kill between two renames; the list that is there is somebody's own."""
    server.content = tar(tmp_path / "a", {"d/list.txt": b"theirs", "d/images/1.jpg": b"one"}).read_bytes()
    (root / "x").mkdir(parents=True)
    (root / "x" / "list.txt").write_bytes(b"mine")
    place = {"d/list.txt": "x/list.txt", "d/images": "x/images"}
    install([Remote(f"{server.url}/a.tar", place)], root, patience=hasty)
    assert contents(root) == {"x/list.txt": b"mine", "x/images/1.jpg": b"one"}


def test_a_download_that_fails_leaves_only_its_part_and_goes_on(eurosat, server, root, hasty):
    server.script = [drop(300)] + [drop(0)] * 3
    with pytest.raises(DatasetError, match="can't be downloaded"):
        install([eurosat], root, patience=hasty)
    assert sorted(contents(root)) == [f"eurosat/{WORK}/{name}" for name in
                                      ("EuroSAT.zip.part", "EuroSAT.zip.part.json", "lock")]  # fmt: skip
    with pytest.raises(DatasetError, match="its images are missing"):
        opened("eurosat", root)
    server.sent = 0
    install([eurosat], root, patience=hasty)
    assert server.sent == len(server.content) - 300
    opened("eurosat", root)


def test_a_file_that_is_not_there_leaves_nothing(eurosat, server, root, hasty):
    server.script = [status(404)]
    with pytest.raises(DatasetError, match="404"):
        install([eurosat], root, patience=hasty)
    assert list(root.iterdir()) == []


def test_an_archive_that_can_not_be_unpacked_leaves_nothing(server, root, hasty):
    server.content = b"PK\x03\x04 is no archive"
    with pytest.raises(DatasetError, match="neither a tar nor a zip"):
        install([Remote(f"{server.url}/a.zip", {"2750": "eurosat/2750"})], root, patience=hasty)
    assert list(root.iterdir()) == []


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(eurosat, server, root, hasty, monkeypatch):
    def full(archive, folder, wanted):
        raise disk.DiskError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[installing.__module__], "unpack", full)
        with pytest.raises(DatasetError, match="full"):
            install([eurosat], root, patience=hasty)
    assert hidden(root) == [f"eurosat/{WORK}/EuroSAT.zip", f"eurosat/{WORK}/lock"]
    install([eurosat], root, patience=hasty)
    assert len(server.requests) == 1
    opened("eurosat", root)


KILLED = """
    import os, shutil, signal, sys
    from pathlib import Path
    from promptlab.data.prepare import install
    from promptlab.data.prepare.sources import Remote

    calls, copy = [], shutil.copyfileobj

    def killed(*args):
        copy(*args)
        calls.append(args)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGKILL)

    shutil.copyfileobj = killed
    url, md5, root = sys.argv[1:]
    install([Remote(url, {"2750": "eurosat/2750"}, digest=("md5", md5))], Path(root))
"""


def test_killed_in_the_middle_of_unpacking_nothing_reads_as_a_dataset(eurosat, server, root, hasty):
    """The next call goes on from the archive, and clears away the half that lies about."""
    arguments = [eurosat.url, eurosat.digest[1], str(root)]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *arguments], env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    assert len([name for name in hidden(root) if name.endswith(".jpg")]) == 7
    with pytest.raises(DatasetError, match="its images are missing"):
        opened("eurosat", root)
    install([eurosat], root, patience=hasty)
    assert len(server.requests) == 1
    assert hidden(root) == []
    opened("eurosat", root)


def test_two_at_once_the_second_is_told_so(eurosat, server, root, hasty):
    with disk.only_one(root / "eurosat" / WORK):
        with pytest.raises(DatasetError, match=r"another `promptlab data prepare` is at work in .*eurosat: wait"):
            install([eurosat], root, patience=hasty)
        assert server.requests == []
    install([eurosat], root, patience=hasty)
    opened("eurosat", root)


def test_a_lock_that_its_last_holder_removed_holds_nobody_off_and_is_made_again(root, monkeypatch):
    """Between opening the lock and getting it, the other process finishes and takes the folder away."""
    flock, calls = fcntl.flock, []

    def after_removal(handle, operation):
        if operation & fcntl.LOCK_EX:
            calls.append(operation)
            if len(calls) == 1:
                shutil.rmtree(root)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", after_removal)
    with disk.only_one(root / WORK):
        with pytest.raises(DatasetError, match="another"), disk.only_one(root / WORK):
            pass
        assert (root / WORK / "lock").is_file()
    assert len(calls) == 3


def test_a_file_system_without_locks_is_said_and_used(eurosat, root, hasty, monkeypatch, caplog):
    def none(*args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    install([eurosat], root, patience=hasty)
    assert "without locks" in caplog.text
    opened("eurosat", root)


def test_whoever_waited_for_the_archive_does_not_fetch_it_again(eurosat, server, root, hasty, monkeypatch):
    """The other process finished between the first look and the lock."""
    module = sys.modules[installing.__module__]
    absent, looks = module._absent, []

    def late(*args):
        looks.append(args)
        return absent(*args) if len(looks) > 1 else {"2750": "eurosat/2750"}

    (root / "eurosat" / "2750" / "Forest").mkdir(parents=True)
    monkeypatch.setattr(module, "_absent", late)
    install([eurosat], root, patience=hasty)
    assert (len(looks), server.requests) == (2, [])


def test_a_root_that_can_not_be_made_is_named(eurosat, tmp_path, hasty):
    (tmp_path / "file").touch()
    with pytest.raises(disk.DiskError, match=r"preparing EuroSAT\.zip: Not a directory at .*file"):
        install([eurosat], tmp_path / "file" / "root", patience=hasty)
