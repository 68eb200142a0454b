"""What is wanted comes out of an archive; nothing gets out of the folder."""

import errno
import os
import shutil
import tarfile
import zipfile

import pytest

from promptlab.data.prepare import disk
from promptlab.data.prepare.disk import DiskError
from promptlab.data.prepare.unpack import unpack
from promptlab.support.errors import DatasetError
from tests.helpers.archives import FILES, contents, tar


def zipped(path, files=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def archives(folder):
    modes = {"a.tar.gz": "w:gz", "a.tar": "w", "a.tgz": "w:xz"}  # told apart by contents, as imagenetv2's is no gzip
    return [zipped(folder / "a.zip"), *(tar(folder / name, mode=mode) for name, mode in modes.items())]


def test_what_is_wanted_and_nothing_else(tmp_path):
    for archive in archives(tmp_path):
        out = tmp_path / f"{archive.name}.out"
        unpack(archive, out, ["data/images", "data/list.txt"])
        assert contents(out) == {name: content for name, content in FILES.items() if name != "other"}


def test_names_that_begin_with_a_dot(tmp_path, out):
    unpack(tar(tmp_path / "a", {"./data/1.jpg": b"one"}), out, ["data"])
    assert contents(out) == {"data/1.jpg": b"one"}


@pytest.mark.parametrize("wanted", ["data/imag", "nothing"])
def test_a_wanted_path_that_is_not_there_is_named(wanted, tmp_path, out):
    for archive in archives(tmp_path):
        with pytest.raises(DatasetError, match=f"has no {wanted}: it isn't the archive that it should be"):
            unpack(archive, out, [wanted, "other"])


EVIL = ["../evil", "data/../../evil", "/tmp/promptlab-evil", "data\\..\\..\\evil", "~/evil"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("make", [tar, zipped])
def test_names_outside_the_folder_are_refused_wanted_or_not(make, name, tmp_path, out):
    archive = make(tmp_path / "a", {name: b"evil", "data/1.jpg": b"one"})
    before = contents(tmp_path)
    with pytest.raises(DatasetError, match=r"refused: its member .* would lie outside the folder"):
        unpack(archive, out, ["data"])
    assert contents(tmp_path) == before
    assert not os.path.exists("/tmp/promptlab-evil")


LINKS = [
    member("data/link", tarfile.SYMTYPE, "/etc/passwd"),
    member("data/link", tarfile.SYMTYPE, "../../secret"),
    member("data/link", tarfile.LNKTYPE, "../secret"),
    member("data/link", tarfile.SYMTYPE, "images"),
    member("data/link", tarfile.SYMTYPE, "link"),
]


@pytest.mark.parametrize("info", LINKS, ids=lambda info: info.linkname)
def test_links_to_what_is_no_file_of_the_archive_are_refused(info, tmp_path, out):
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(DatasetError, match=r"(refused: its member 'data/link' is a link to|is damaged)"):
        unpack(tar(tmp_path / "a", members=[info]), out, ["data"])
    assert b"secret" not in contents(out).values()
    assert not (out / "data" / "link").is_symlink()


def test_links_inside_the_archive_become_copies(tmp_path, out):
    links = [
        member("data/soft.txt", tarfile.SYMTYPE, "list.txt"),
        member("data/hard.txt", tarfile.LNKTYPE, "data/list.txt"),
    ]
    unpack(tar(tmp_path / "a", members=links), out, ["data"])
    for name in ("soft.txt", "hard.txt"):
        assert (out / "data" / name).read_bytes() == b"list"
        assert not (out / "data" / name).is_symlink()
        assert (out / "data" / name).stat().st_nlink == 1


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_devices_are_refused(kind, tmp_path, out):
    with pytest.raises(DatasetError, match="is neither a file nor a folder"):
        unpack(tar(tmp_path / "a", members=[member("data/x", kind)]), out, ["data"])


def test_links_in_a_zip_are_refused(tmp_path, out):
    info = zipfile.ZipInfo("data/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DatasetError, match="is a link"):
        unpack(tmp_path / "a", out, ["data"])


def test_damaged_archives_are_said_to_be(tmp_path, out):
    for archive in archives(tmp_path):
        whole = archive.read_bytes()
        cut = tmp_path / f"cut-{archive.name}"
        cut.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatasetError, match=r"damaged|neither a tar nor a zip"):
            unpack(cut, out, ["data", "other"])


def test_wrong_bytes_inside_are_noticed(tmp_path, out):
    for archive in (tar(tmp_path / "a"), zipped(tmp_path / "b")):
        data = bytearray(archive.read_bytes())
        data[200:210] = b"0123456789"
        archive.write_bytes(data)
        with pytest.raises(DatasetError, match="damaged"):
            unpack(archive, out, ["data"])


def test_what_is_no_archive(tmp_path, out):
    (tmp_path / "a").write_bytes(b"<html>")
    with pytest.raises(DatasetError, match="a is neither a tar nor a zip archive"):
        unpack(tmp_path / "a", out, ["data"])


def test_a_full_disk_is_no_damaged_archive(tmp_path, out, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    for archive in archives(tmp_path):
        with pytest.raises(disk.DiskError, match=r"unpacking .* is full"):
            unpack(archive, out, ["data"])


def test_a_member_that_is_file_and_folder_at_once_is_a_damaged_archive(tmp_path, out):
    archive = tar(tmp_path / "x.tar.gz", files={"data/a": b"1", "data/a/b": b"2"})
    with pytest.raises(DatasetError, match="is damaged") as caught:
        unpack(archive, out, ["data"])
    assert not isinstance(caught.value, DiskError)
