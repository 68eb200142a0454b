import logging

import pytest

from promptlab.report.collection import collect
from promptlab.results.store import failure_kept, run_dir, write_result
from tests.helpers.results import make_result


def write(root, run):
    folder = run_dir(root, run.dataset, run.protocol, run.learner, run.fit_id)
    return write_result(folder, run)


def test_every_result_once_with_its_folder(tmp_path):
    runs = [make_result(seed=seed) for seed in (1, 2)]
    paths = [write(tmp_path / "a", run) for run in runs]
    found = collect([tmp_path, tmp_path / "a"])
    assert sorted(result.seed for result in found.results) == [1, 2]
    assert found.folders == {run.fit_id: path.parent for run, path in zip(runs, paths, strict=True)}
    assert (found.damaged, found.unfinished) == ({}, [])


def test_a_damaged_result_is_named_and_skipped(tmp_path, caplog):
    write(tmp_path, make_result(seed=1))
    path = write(tmp_path, make_result(seed=2))
    path.write_text(path.read_text()[:100])
    with caplog.at_level(logging.WARNING):
        found = collect([tmp_path])
    assert [result.seed for result in found.results] == [1]
    assert list(found.damaged) == [path]
    assert "not valid JSON" in found.damaged[path]
    assert str(path) in caplog.text


def test_what_is_not_scored_to_the_end(tmp_path):
    folder = run_dir(tmp_path, "d", "few_shot", "coop", "0" * 16)
    write_result(folder, make_result(), "unfinished.json")
    assert collect([tmp_path]).unfinished == [folder]


def test_what_failed(tmp_path):
    folder = run_dir(tmp_path, "d", "few_shot", "coop", "0" * 16)
    folder.mkdir(parents=True)
    with pytest.raises(ZeroDivisionError), failure_kept(folder):
        raise ZeroDivisionError("no images")
    assert collect([tmp_path]).failed == {folder: "ZeroDivisionError: no images"}
