"""``promptlab diagnose`` and ``promptlab add-class`` as they are typed."""

import json

import pytest

import promptlab
from promptlab.cli.main import main
from tests.helpers.own_pictures import write_adapted_folder, write_pictures


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    base = tmp_path_factory.mktemp("own")
    return write_adapted_folder(
        base / "adapted", base / "pictures", write_pictures(base / "pictures", 4, 3), promptlab.load_clip("demo")
    )


def test_tables_advice_and_page(adapted, tmp_path, capsys):
    assert main(["diagnose", str(adapted), "--out", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().out
    for part in ("Classes, the worst first", "Closest names", "What to do", "page in"):
        assert part in said
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_json_is_one_document(adapted, capsys):
    assert main(["diagnose", str(adapted), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 12
    assert found["advice"]
    assert {"name", "pictures", "right", "recall", "taken_for", "by_name"} == set(found["classes"][0])


def test_a_folder_without_scores_is_exit_status_2(tmp_path, capsys):
    assert main(["diagnose", str(tmp_path)]) == 2
    assert "promptlab adapt" in capsys.readouterr().err


def test_add_class(adapted, tmp_path, capsys):
    new = tmp_path / "new"
    assert main(["add-class", str(adapted), "a <b>ring</b>", "--out", str(new), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"][-1] == "a <b>ring</b>"
    assert main(["add-class", str(new), "star"]) == 0
    said = capsys.readouterr().out
    assert "star is class 5" in said
    assert "right before (held out, each by a fold that didn't train on it)" in said
    assert "before-1" in said
    assert main(["add-class", str(new), "star"]) == 2
