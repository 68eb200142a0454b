import logging

import pytest

from promptlab.report import collection
from promptlab.report.collection import collect
from promptlab.results.store import failure_kept, run_dir, write_result
from promptlab.support.processes import in_processes
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


def test_many_are_read_by_several_processes_as_by_one(tmp_path, monkeypatch):
    paths = [write(tmp_path, make_result(seed=seed)) for seed in range(1, 10)]
    paths[3].write_text(paths[3].read_text()[:100])
    by_one = collect([tmp_path])
    asked = []
    monkeypatch.setattr(collection, "_MANY", len(paths))
    monkeypatch.setattr(collection, "in_processes", lambda *of: asked.append(of) or in_processes(*of))
    by_several = collect([tmp_path])
    assert len(asked) == 1
    assert by_several == by_one
    assert [result.folder for result in by_several.results] == [result.folder for result in by_one.results]


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
