import os

import pytest

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
