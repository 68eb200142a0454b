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


def test_a_result_knows_its_folder_and_no_file_says_it(tmp_path):
    path = write_result(tmp_path / "a", make_result())
    (result,) = load_results(tmp_path)
    assert result.folder == tmp_path / "a"
    assert "folder" not in path.read_text()
    assert result == make_result()
    assert make_result().folder is None


def test_rows_are_plain_values_of_every_evaluation(tmp_path):
    write_result(tmp_path / "a", make_result({"base": 0.8, "new": None}, reasons={"new": "can't"}))
    base, new = load_results(tmp_path).rows()
    assert (base["evaluation"], base["top1"], base["zero_shot_top1"], base["reason"]) == ("base", 0.8, 0.5, None)
    assert (new["evaluation"], new["top1"], new["ece"], new["reason"]) == ("new", None, None, "can't")
    assert (base["learner.n_ctx"], base["learner.optimizer.lr"], base["folder"]) == (4, 0.002, str(tmp_path / "a"))
    assert {type(value) for value in base.values()} <= {str, int, float, type(None)}


def test_results_and_metrics_are_shown_as_tables():
    result = make_result({"base": 0.8, "new": None}, reasons={"new": "can't"}, learner="a<b")
    assert repr(result) == (
        "Result(a<b on demo_shapes, base_to_new, demo, shots 16, views 16, seed 1: base 80.00, new –, H –)"
    )
    assert str(result).splitlines()[1:] == [
        "            base    new      H",
        "zero-shot  50.00  50.00  50.00",
        "a<b        80.00      –      –",
    ]
    assert "<th>a&lt;b</th><td>80.00</td><td>–</td>" in result._repr_html_()
    metrics = result.evaluations["base"].metrics
    assert repr(metrics).startswith("Metrics(top1=0.8000, mean_class_accuracy=0.8000, ")
    assert str(metrics).splitlines()[0] == "100 images, 2 classes; in percent"


def test_nothing_to_load_is_said(tmp_path, caplog):
    assert load_results(tmp_path) == []
    assert f"there are no results in {tmp_path}" in caplog.text
    assert load_results(tmp_path / "nowhere") == []
    assert f"there is no folder {tmp_path / 'nowhere'}" in caplog.text
