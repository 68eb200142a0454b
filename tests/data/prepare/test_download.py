"""Whatever the server does, there is the right file in the end, or a message and nothing that reads as the file."""

import errno
import hashlib
import io
import os
import random
import shutil
from dataclasses import replace

import pytest

from promptlab.data.prepare import disk
from promptlab.data.prepare.download import Patience, download
from promptlab.data.prepare.part import Part, Version
from promptlab.data.prepare.sources import Remote
from promptlab.support.errors import DatasetError
from tests.helpers.server import drop, hang, ignore_range, ignore_version, status, well, without_length

OLD, NEW = random.Random(1).randbytes(50_000), random.Random(2).randbytes(50_000)


def remote(server, content=OLD, **changes):
    server.content = server.content or OLD
    digest = ("sha256", hashlib.sha256(content).hexdigest())
    return replace(Remote(f"{server.url}/x/a.bin?y=1", {}, digest=digest, checksum_of="the test"), **changes)


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def ranges(server):
    return [request.get("Range") for request in server.requests]


def test_a_file_gets_its_name_when_it_is_whole(server, tmp_path, hasty):
    assert download(remote(server), tmp_path / "d", hasty).read_bytes() == OLD
    assert names(tmp_path / "d") == ["a.bin"]
    assert ranges(server) == [None]
    download(remote(server), tmp_path / "d", hasty)
    assert len(server.requests) == 1


def test_dropped_connections_cost_no_byte_twice_and_are_said(server, tmp_path, hasty):
    said = []
    server.script = [drop(10_000), drop(5_000), status(503), drop(1)]
    assert download(remote(server), tmp_path, hasty, said.append).read_bytes() == OLD
    assert server.sent == len(OLD)
    assert ranges(server) == [None, "bytes=10000-", "bytes=15000-", "bytes=15000-", "bytes=15001-"]
    assert all(request["If-Range"] == '"one"' for request in server.requests[1:])
    assert "the connection broke after 10,000 of 50,000 bytes: trying again" in said[0]


def test_attempts_that_bring_something_dont_count(server, tmp_path, hasty):
    server.script = [drop(1_000)] * 20
    assert download(remote(server), tmp_path, hasty).read_bytes() == OLD
    assert len(server.requests) == 21


def test_a_later_call_goes_on_where_an_earlier_one_stopped(server, tmp_path, hasty):
    server.script = [drop(20_000), drop(0), drop(0), drop(0)]
    with pytest.raises(DatasetError, match=r"can't be downloaded.*3 attempts.*20,000 bytes are kept: run it again"):
        download(remote(server), tmp_path, hasty)
    assert names(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    server.script, server.sent = [], 0
    assert download(remote(server), tmp_path, hasty).read_bytes() == OLD
    assert server.sent == len(OLD) - 20_000


def test_what_was_whole_but_unchecked_is_not_fetched_again(server, tmp_path, hasty):
    wanted = remote(server)
    with Part(tmp_path / "a.bin").start(Version(wanted.url, '"one"', None, len(OLD))) as file:
        file.write(OLD)
    assert download(wanted, tmp_path, hasty).read_bytes() == OLD
    assert server.requests == []


@pytest.mark.parametrize("version", [None, Version("http://elsewhere/a.bin", '"one"', None, len(OLD))])
def test_bytes_of_unknown_origin_are_not_used(version, server, tmp_path, hasty):
    part = Part(tmp_path / "a.bin")
    if version is None:
        part.path.write_bytes(NEW[:100])
    else:
        with part.start(version) as file:
            file.write(NEW[:100])
    assert download(remote(server), tmp_path, hasty).read_bytes() == OLD
    assert ranges(server) == [None]


def test_a_server_that_ignores_ranges_sends_it_all_again(server, tmp_path, hasty):
    server.script = [drop(20_000), ignore_range]
    assert download(remote(server), tmp_path, hasty).read_bytes() == OLD
    assert server.sent == len(OLD) + 20_000


def swap(server, headers, step):
    """The file on the server becomes another one before this answer."""

    def changed(handler):
        server.content, server.headers = NEW, headers
        step(handler)

    return changed


@pytest.mark.parametrize("step", [well, ignore_version])
@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_file_that_changes_meanwhile_is_fetched_anew(step, header, server, tmp_path, hasty):
    """No digest helps here: the old part and the new rest have the right length together."""
    server.headers = {header: '"one"'}
    server.script = [drop(20_000), swap(server, {header: '"two"'}, step)]
    assert download(remote(server, digest=None), tmp_path, hasty).read_bytes() == NEW
    assert server.requests[1]["If-Range"] == '"one"'


def test_another_date_of_the_same_version_is_the_same_file(server, tmp_path, hasty):
    """Two machines behind one address."""
    server.headers = {"ETag": '"one"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}

    def later(handler):
        server.headers = server.headers | {"Last-Modified": "Sat, 01 Jan 2022 00:00:09 GMT"}
        handler.answer()

    server.script = [drop(20_000), later]
    assert download(remote(server, digest=None), tmp_path, hasty).read_bytes() == OLD
    assert server.sent == len(OLD)


def test_without_marks_a_part_is_only_used_if_a_checksum_will_tell(server, tmp_path, hasty):
    server.headers = {}
    server.script = [drop(20_000)]
    assert download(remote(server, digest=None), tmp_path / "none", hasty).read_bytes() == OLD
    assert ranges(server) == [None, None]
    server.script, server.requests = [drop(20_000)], []
    assert download(remote(server), tmp_path / "some", hasty).read_bytes() == OLD
    assert ranges(server) == [None, "bytes=20000-"]


def test_a_weak_mark_is_not_asked_with(server, tmp_path, hasty):
    server.headers = {"ETag": 'W/"one"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}
    server.script = [drop(20_000)]
    assert download(remote(server, digest=None), tmp_path, hasty).read_bytes() == OLD
    assert server.requests[1]["If-Range"] == server.headers["Last-Modified"]


@pytest.mark.parametrize(("content", "hint"), [(NEW, False), (b"<html>please log in</html>", True)])
def test_wrong_bytes_are_refused_and_not_kept(content, hint, server, tmp_path, hasty):
    server.content = content
    with pytest.raises(DatasetError, match=r"its sha256 is .* and the test recorded .* The file was deleted") as error:
        download(remote(server), tmp_path, hasty)
    assert ("web page" in str(error.value)) == hint
    assert names(tmp_path) == []


def test_another_size_than_recorded_is_refused_before_it_is_downloaded(server, tmp_path, hasty):
    with pytest.raises(DatasetError, match="has 50,000 bytes now, 50,001 are expected"):
        download(remote(server, size=len(OLD) + 1), tmp_path, hasty)
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_an_answer_that_will_not_pass_is_said_at_once(code, server, tmp_path, hasty):
    server.script = [status(code)] * 5
    with pytest.raises(DatasetError, match=rf"can't be downloaded: the server answers {code} \w+"):
        download(remote(server), tmp_path, hasty)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_answer_that_may_pass_is_asked_for_again(code, server, tmp_path, hasty):
    server.script = [status(code)] * 2
    assert download(remote(server), tmp_path / "some", hasty).read_bytes() == OLD
    server.script = [status(code)] * 3
    with pytest.raises(DatasetError, match=rf"the server answers {code} .*\(3 attempts\)\.$"):
        download(remote(server), tmp_path / "more", hasty)


def test_a_server_that_says_nothing_more_is_asked_again(server, tmp_path):
    server.script = [hang(20_000)]
    assert download(remote(server), tmp_path, Patience(attempts=2, timeout=2, wait=0)).read_bytes() == OLD
    assert ranges(server) == [None, "bytes=20000-"]


def test_nobody_there(server, tmp_path, hasty):
    wanted = remote(server)
    server.close()
    with pytest.raises(DatasetError, match=r"can't be downloaded.*refused.*3 attempts"):
        download(wanted, tmp_path, hasty)


def test_a_file_of_unannounced_length(server, tmp_path, hasty):
    server.script = [without_length, without_length]
    wanted = remote(server, digest=None)
    whole = download(wanted, tmp_path, hasty)
    assert whole.read_bytes() == OLD
    with Part(whole).start(Version(wanted.url, '"one"')) as file:  # killed before it got its name
        file.write(OLD)
    whole.unlink()
    assert download(wanted, tmp_path, hasty).read_bytes() == OLD
    assert ranges(server) == [None, "bytes=50000-"]


def test_an_answer_that_goes_on_elsewhere_is_not_joined(server, tmp_path, hasty):
    """A server that answers with another range than the one it was asked for."""

    def elsewhere(handler):
        span = {"Content-Range": f"bytes 30000-{len(OLD) - 1}/{len(OLD)}", "Content-Length": len(OLD) - 30_000}
        handler.start(206, server.headers | span)
        handler.body(OLD[30_000:])

    def nonsense(handler):
        handler.start(206, server.headers | {"Content-Range": "bytes */*", "Content-Length": 3})
        handler.body(b"abc")

    server.script = [drop(20_000), elsewhere, drop(20_000), nonsense]
    patience = replace(hasty, attempts=5)
    assert download(remote(server, digest=None), tmp_path, patience).read_bytes() == OLD
    assert ranges(server) == [None, "bytes=20000-", None, "bytes=20000-", None]


def test_a_part_longer_than_the_servers_file_is_dropped(server, tmp_path, hasty):
    wanted = remote(server)
    with Part(tmp_path / "a.bin").start(Version(wanted.url, '"one"', None, 2 * len(OLD))) as file:
        file.write(NEW + b"more")
    server.script = [status(416)]
    assert download(wanted, tmp_path, hasty).read_bytes() == OLD
    assert ranges(server) == ["bytes=50004-", None]


def test_a_disk_without_room_is_said_before_the_download(server, tmp_path, hasty, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: _Usage())
    with pytest.raises(disk.DiskError, match=r"a\.bin needs 0\.0 GB, .*Make room and run it again"):
        download(remote(server), tmp_path, hasty)
    assert names(tmp_path) == []


class _Usage:
    free = 49_999


class _FullFile(io.FileIO):
    """Takes 30,000 bytes, not always all that it is offered."""

    def write(self, data):
        room = 30_000 - self.tell()
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data[:room])


def test_a_disk_that_fills_up_keeps_what_is_there(server, tmp_path, hasty, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Part, "go_on", lambda part: _FullFile(part.path, "ab"))
        with pytest.raises(disk.DiskError, match=r"the disk of .* is full. Make room and run it again"):
            download(remote(server), tmp_path, hasty)
    assert len(server.requests) == 1
    assert download(remote(server), tmp_path, hasty).read_bytes() == OLD
    assert ranges(server)[1:] == ["bytes=30000-"]


def test_a_folder_that_can_not_be_written_to_is_named(server, tmp_path, hasty, monkeypatch):
    def refuse(part, version):
        raise PermissionError(errno.EACCES, "Permission denied", str(part.path))

    monkeypatch.setattr(Part, "start", refuse)
    with pytest.raises(disk.DiskError, match=r"no permission to write to .*a\.bin\.part"):
        download(remote(server), tmp_path, hasty)
    (tmp_path / "file").touch()
    with pytest.raises(disk.DiskError, match=r"downloading a\.bin: "):
        download(remote(server), tmp_path / "file" / "d", hasty)
