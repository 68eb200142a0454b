"""Hashes of files are remembered as long as nothing about the files changes."""

import os
import sqlite3
from dataclasses import replace

from promptlab.data.file_hashes import FileHashes, FileState
from promptlab.data.sources.files import FileImages
from promptlab.features.upkeep import clear
from tests.helpers.fakes import write_pictures


def test_file_hashes_are_kept_by_everything_that_tells_a_changed_file():
    store = FileHashes()
    files = [FileState(f"/data/{i}.png", i, 10 * i, 20 * i, 2**63 + i) for i in range(3)]
    assert store.remembered(files) == [None] * 3
    store.remember(files[:2], ["a", "b"])
    assert store.remembered(files) == ["a", "b", None]
    changes = {"size": 2, "mtime_ns": 11, "ctime_ns": 21, "inode": 7}
    assert store.remembered([replace(files[1], **{name: value}) for name, value in changes.items()]) == [None] * 4
    clear()
    assert store.remembered(files) == [None] * 3


def test_paths_of_any_bytes_are_remembered():
    store = FileHashes()
    file = FileState(os.fsdecode(b"/data/gr\xfcn.png"), 1, 2, 3, 4)
    store.remember([file], ["a"])
    assert store.remembered([file]) == ["a"]


def test_what_older_versions_remembered_is_not_trusted(tmp_path):
    """They knew size and time alone, which a replaced file may share."""
    (name,) = write_pictures(tmp_path, 1)
    os.utime(tmp_path / name, (1e9, 1e9))
    images = FileImages(tmp_path, [name])
    status = os.stat(images.path(0))
    expected = images.content_ids([0])
    with sqlite3.connect(FileHashes().database.path) as connection:
        connection.execute("DROP TABLE file_states")
        row = (images.path(0), status.st_size, status.st_mtime_ns, "0" * 32)
        connection.execute("INSERT INTO files VALUES (?, ?, ?, ?)", row)
    assert images.content_ids([0]) == expected
