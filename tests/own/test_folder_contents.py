"""A learner's folder doesn't take in what was another's."""

import pytest

from promptlab.own.folder_contents import clear, require_free
from promptlab.support.errors import UsageError


def test_an_earlier_adaptation_s_files_go_and_its_learner_is_replaced(tmp_path):
    names = (
        "adapted.json",
        "adapted.html",
        "added.json",
        "predictions-held_out.safetensors",
        "model.onnx",
        "classes.npz",
    )
    for name in (*names, "card.json", "learned.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "before-1").mkdir()
    require_free(tmp_path)
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"before-1", "card.json", "learned.safetensors"}


@pytest.mark.parametrize("name", ["result.json", "README.md", "predictions-new.safetensors", "holiday.jpg"])
def test_other_files_are_in_the_way(tmp_path, name):
    (tmp_path / "card.json").touch()
    require_free(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=name):
        require_free(tmp_path)


def test_a_missing_folder_is_free_and_a_file_isn_t(tmp_path):
    require_free(tmp_path / "new")
    (tmp_path / "new").touch()
    with pytest.raises(UsageError, match="it is a file"):
        require_free(tmp_path / "new")
