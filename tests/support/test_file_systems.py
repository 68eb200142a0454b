import pytest

from promptlab.support import file_systems
from promptlab.support.file_systems import kind_among, mounts, shared_kind

MOUNTS = [("/", "ext4"), ("/home", "nfs4"), ("/home/ada/scratch", "xfs"), ("/data", "fuse.sshfs")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ada/.cache/promptlab", "nfs4"),
        ("/home/ada/scratch/promptlab", None),
        ("/homes/ada", None),
        ("/data/promptlab", "fuse.sshfs"),
        ("/var/tmp", None),
    ],
)
def test_the_nearest_mount_counts(path, kind):
    assert kind_among(MOUNTS, path) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "fuse.glusterfs"])
def test_kinds_that_machines_share(kind):
    assert kind_among([("/", kind)], "/cache") == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs", "apfs"])
def test_kinds_of_one_machine(kind):
    assert kind_among([("/", kind)], "/cache") is None


def test_a_later_mount_on_the_same_place_hides_the_earlier(tmp_path):
    assert kind_among([("/", "ext4"), ("/x", "nfs"), ("/x", "ext4")], "/x/y") is None


def test_what_linux_tells_is_read(tmp_path, monkeypatch):
    told = tmp_path / "mountinfo"
    told.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"23 22 0:45 / {str(tmp_path).replace(' ', chr(92) + '040')} rw shared:2 - nfs4 server:/export rw,vers=4.2\n"
    )
    monkeypatch.setattr(file_systems, "_MOUNTS", told)
    assert mounts() == [("/", "ext4"), (str(tmp_path), "nfs4")]
    assert shared_kind(tmp_path / "not" / "there") == "nfs4"
    assert shared_kind(tmp_path.parent) is None
