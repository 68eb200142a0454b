"""``promptlab new``: what it writes passes its test, the check and a run as it stands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from promptlab.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, tmp_path, *arguments):
    """A Python command in a folder, with this checkout importable and nothing of the folder."""
    cache = str(tmp_path / "cache")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PROMPTLAB_CACHE": cache}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_learner_passes_as_it_stands(folder, one_process, capsys, monkeypatch):
    assert main(["new", "learner", "tilted_prompts"]) == 0
    shown = capsys.readouterr().out
    home = folder / "tilted_prompts"
    written = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert written == ["pyproject.toml", "tests/test_tilted_prompts.py", "tilted_prompts/__init__.py",
                       "tilted_prompts/conf/learner/tilted_prompts.yaml"]  # fmt: skip
    assert all(f"wrote tilted_prompts/{path}" in shown for path in written)
    everything = "".join((home / path).read_text() for path in written)
    assert not any(word in everything for word in ("my_learner", "MyLearner", "my-learner"))
    assert "passed" in run(home, folder, "-m", "pytest", "-p", "no:cacheprovider")
    checked = ["check", "tilted_prompts:TiltedPrompts"]
    flags = ["learner=tilted_prompts", "--config-dir", "tilted_prompts/conf"]
    assert f"promptlab {' '.join(checked)}\n" in shown
    assert f"promptlab {' '.join(flags)}\n" in shown
    monkeypatch.chdir(home)
    assert main(checked) == 0
    assert "14 of 14 passed" in capsys.readouterr().out
    assert main([*flags, "shots=1", "views=0", "trainer.enable_progress_bar=false"]) == 0
    assert "tilted_prompts" in capsys.readouterr().out
    assert (home / "results" / "demo_shapes" / "base_to_new" / "tilted_prompts").is_dir()


def test_what_it_writes_is_formatted_and_says_what_it_is(folder):
    assert main(["new", "learner", "x1", "--dir", "elsewhere/x"]) == 0
    home = folder / "elsewhere" / "x"
    config = yaml.safe_load((home / "x1" / "conf" / "learner" / "x1.yaml").read_text())
    assert (config["name"], config["_target_"], set(config["about"])) == ("x1", "x1.X1", {"summary", "trains"})
    assert "class TestX1(LearnerContract):" in (home / "tests" / "test_x1.py").read_text()
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length", "120", str(home)]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_nothing_is_overwritten(folder, capsys):
    (folder / "mine" / "mine").mkdir(parents=True)
    (folder / "mine" / "mine" / "__init__.py").write_text("precious\n")
    assert main(["new", "learner", "mine"]) == 2
    assert "mine/mine/__init__.py is there already" in capsys.readouterr().err
    assert [path.read_text() for path in folder.rglob("*") if path.is_file()] == ["precious\n"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My", "'My' can't name a package: small letters"),
        ("a-b", "can't name a package"),
        ("1a", "can't name a package"),
        ("_a", "can't name a package"),
        ("../a", "can't name a package"),
        ("", "can't name a package"),
        ("class", "it has a meaning already"),
        ("tests", "it has a meaning already"),
        ("coop", "promptlab has a learner coop already"),
        ("json", "Python finds a module json already"),
    ],
)
def test_names_are_checked(name, message, folder, capsys):
    assert main(["new", "learner", name]) == 2
    assert message in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_another_kind_is_refused(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["new", "backbone", "mine"])
    assert leaving.value.code == 2
    assert "learner" in capsys.readouterr().err
