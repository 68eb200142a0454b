import logging
import os

import pytest

from promptlab.results.document import ResultError
from promptlab.results.store import find_results, load_results, read_result, run_dir, write_result
from tests.helpers.results import make_result


def test_where_a_fit_lives(tmp_path):
    assert run_dir(tmp_path, "eurosat", "base_to_new", "coop", "0123") == tmp_path / "eurosat/base_to_new/coop/0123"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", ".hidden", "a b", "a\n", "C:\\x"])
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="can't be part of a path"):
        run_dir("results", "eurosat", "few_shot", name, "0123")


def test_write_find_read(tmp_path):
    results = [make_result(seed=seed) for seed in (1, 2)]
    for result in results:
        directory = run_dir(tmp_path, result.dataset, result.protocol, result.learner, result.fit_id)
        assert read_result(write_result(directory, result)) == result
    assert len(find_results(tmp_path)) == 2
    assert sorted(load_results(tmp_path), key=lambda result: result.seed) == results
    assert find_results(tmp_path / "nowhere") == []


def test_damaged_results_are_named_and_skipped(tmp_path, caplog):
    write_result(tmp_path / "a", make_result())
    for name, content in {"b": b'{"schema_version": 1', "c": b'{"schema_version": 7}', "d": b"\xff\xfe\x00"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_bytes(content)
    (tmp_path / "e" / "result.json").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert load_results(tmp_path) == [make_result()]
    for name in "bcde":
        assert str(tmp_path / name / "result.json") in caplog.text


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(ResultError, match=r"nowhere.result\.json: can't be read"):
        read_result(tmp_path / "nowhere" / "result.json")


def test_a_write_that_fails_leaves_the_old_document(tmp_path, monkeypatch):
    path = write_result(tmp_path, make_result(seed=1))
    with pytest.raises(ResultError, match="config"):
        write_result(tmp_path, make_result(seed=2, config={"a": float("nan")}))

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_result(tmp_path, make_result(seed=2))
    assert read_result(path) == make_result(seed=1)
    assert list(tmp_path.iterdir()) == [path]
