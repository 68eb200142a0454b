"""``promptlab check`` on datasets and protocols; tests/cli/test_plugin.py has learners."""

import sys
from pathlib import Path

import pytest

from promptlab.cli import _plugins
from promptlab.cli.main import main

MINE = """
from dataclasses import replace

from promptlab import demo_dataset
from promptlab.data import Dataset
from promptlab.protocols import Task, few_shot


def read_mine(name: str, *, template: str = "a {}.") -> Dataset:
    return replace(demo_dataset(name), template=template)


def unannotated(number=1):
    return number


def first_shot(dataset: Dataset, *, shots, seed, val="few", grow=0) -> Task:
    task = few_shot(dataset, shots=shots, seed=1, val=val)
    return task if grow < 2 else 1 / 0


opened = demo_dataset("demo_textures")
number = 3
"""


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine_to_check.py").write_text(MINE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("mine_to_check", None)


def checked(capsys, *arguments):
    status = main(["check", *arguments])
    captured = capsys.readouterr()
    return status, " ".join(captured.out.split()), captured.err


@pytest.mark.parametrize("named", [["mine_to_check:read_mine", "name=demo_textures"], ["mine_to_check:opened"]])
def test_a_dataset_passes(named, capsys):
    status, out, _ = checked(capsys, *named)
    assert (status, out.startswith("ok labels index the class names")) == (0, True)
    assert out.endswith("9 of 9 passed")


def test_what_failed_is_said_and_why_it_matters(capsys):
    status, out, _ = checked(capsys, "mine_to_check:read_mine", "name=demo_textures", "template=a photo.")
    assert status == 1
    assert "failed the template has a place for the name the template 'a photo.' needs {} once" in out
    assert "Why: without it every class has the same prompt." in out
    assert out.endswith("8 of 9 passed")


def test_a_protocol_is_told_by_what_it_takes(capsys):
    status, out, _ = checked(capsys, "mine_to_check:first_shot", "grow=1")
    assert status == 1
    assert "failed another seed draws other images every seed draws the same images" in out
    assert "8 of 9 passed" in out
    assert checked(capsys, "promptlab.protocols:base_to_new", "joint=true")[:1] == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine_to_check:read_mine"], "read_mine can't be opened with no arguments: TypeError"),
        (["mine_to_check:read_mine", "name=nothing"], "demo_dataset(name='nothing'): one of demo_shapes"),
        (["mine_to_check:unannotated"], "of type int: a promptlab.data.Dataset is needed"),
        (["mine_to_check:number"], "mine_to_check:number is of type int: a learner's class, or a function"),
        (["mine_to_check:first_shot", "grow=2"], "makes no task of a dataset with {'grow': 2}: ZeroDivisionError"),
        (["mine_to_check:first_shot", "grown=2"], "unexpected keyword argument 'grown'"),
    ],
)
def test_what_can_not_be_made_is_said(arguments, message, capsys):
    status, _, err = checked(capsys, *arguments)
    assert (status, message in err, len(err.splitlines())) == (2, True, 1)


def test_a_plug_in_is_found_in_the_working_folder_and_beside_its_configuration(tmp_path):
    (tmp_path / "a" / "mine").mkdir(parents=True)
    (tmp_path / "a" / "mine" / "__init__.py").touch()
    (tmp_path / "b" / "conf").mkdir(parents=True)
    before = list(sys.path)
    _plugins.find_plugins(
        ["learner=mine", f"--config-dir={tmp_path}/a/mine/conf", "--config-dir", f"{tmp_path}/b/conf"]
    )
    _plugins.find_plugins(["-cd", f"{tmp_path}/a/mine/conf"])
    assert sys.path == [*before, *(str(tmp_path / place) for place in ("", "b", "a"))]


def test_a_learner_in_a_file_of_the_working_folder_runs(capsys):
    Path("mine_to_check.py").write_text("from promptlab import ZeroShot\n\n\nclass Mine(ZeroShot):\n    pass\n")
    Path("settings/learner").mkdir(parents=True)
    Path("settings/learner/mine.yaml").write_text("name: mine\n_target_: mine_to_check.Mine\n")
    assert main(["learner=mine", "--config-dir", "settings", "protocol=few_shot", "views=0", "shots=1"]) == 0
    assert "mine" in capsys.readouterr().out
