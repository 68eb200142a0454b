import pytest

from promptlab.support.reads import recorded, unchanged
from promptlab.support.texts import decoded, open_text, read_text, text_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_or_without_its_mark(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("Käse\r\n\r\n Brot \r\n".encode(encoding))
    assert text_lines(path) == ["Käse", "Brot"]
    assert read_text(path).startswith("Käse")
    with open_text(path) as lines:
        assert next(lines) == "Käse\r\n"


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32"), ("latin-1", "LATIN1")]
)
def test_other_encodings_are_named_with_the_cure(tmp_path, encoding, named):
    path = tmp_path / "a.txt"
    path.write_bytes(("plain\n" * (10_000 if named == "LATIN1" else 1) + "Käse\n").encode(encoding))
    cure = rf"it seems to be {named}: save it as UTF-8 \(iconv -f {named} -t UTF-8 FILE\)"
    with pytest.raises(UnicodeDecodeError, match=cure):
        decoded(path.read_bytes())
    with pytest.raises(UnicodeDecodeError, match=cure), open_text(path) as lines:
        list(lines)


def test_what_was_read_or_looked_for_is_known_to_have_changed(tmp_path):
    path = tmp_path / "a.txt"
    with recorded() as states, pytest.raises(FileNotFoundError):
        read_text(path)
    assert unchanged(states)
    path.write_text("now")
    assert not unchanged(states)
    with recorded() as states:
        read_text(path)
    other = tmp_path / "b.txt"
    other.write_text("new")
    other.replace(path)  # of the same size
    assert not unchanged(states)
