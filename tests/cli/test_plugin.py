"""A third party's package, installed as its users would, with no edit to promptlab; and `promptlab check`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptlab.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "plugin_example"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example package, installed without network and without build isolation."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")  # building writes into the folder
    uv = os.environ.get("UV") or shutil.which("uv")
    install = [uv, "pip", "install", "--offline", "--python", sys.executable] if uv else None
    install = install or [sys.executable, "-m", "pip", "install", "--no-index"]
    options = ["--no-build-isolation", "--no-deps", "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run([*install, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "site" / "biased_zero_shot" / "conf" / "learner" / "biased.yaml").exists()
    return folder / "site"


def run(site, tmp_path, *arguments):
    """A Python command in an empty folder, with the plug-in and this checkout importable."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PROMPTLAB_CACHE": str(tmp_path / "cache")}
    return subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)


def test_its_own_tests_pass(site, tmp_path):
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = run(site, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_the_command_line_runs_lists_and_checks_it(site, one_process, tmp_path, monkeypatch, capsys):
    conf = str(site / "biased_zero_shot" / "conf")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    assert main(["learner=biased", "--config-dir", conf, "views=0", "shots=1"]) == 0
    assert "biased" in capsys.readouterr().out
    assert (tmp_path / "results" / "demo_shapes" / "base_to_new" / "biased").is_dir()
    assert main(["list", "learners", "--config-dir", conf]) == 0
    assert "one learned bias per class" in capsys.readouterr().out
    assert main(["check", "biased_zero_shot:BiasedZeroShot"]) == 0
    assert "14 of 14 passed" in capsys.readouterr().out


def test_check_says_what_failed_and_why_it_matters(one_process, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("forgetful.py").write_text(
        "from promptlab import CoOp\n\n\nclass Forgetful(CoOp):\n    def fit_plan(self):\n        return []\n"
    )
    assert main(["check", "forgetful:Forgetful", "n_ctx=2"]) == 0  # learning nothing is allowed ...
    Path("leaky.py").write_text(
        "from promptlab import CoOp\n\n\nclass Leaky(CoOp):\n    def __init__(self, clip, class_names):\n"
        "        super().__init__(clip, class_names, n_ctx=2)\n        self.model = clip.model\n"
    )
    assert main(["check", "leaky:Leaky"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "failed backbone is untouched" in out
    assert "registered as a part of the learner" in out
    assert "a backbone that drifts makes cached features wrong" in out


def test_check_finds_a_parameter_that_no_stage_names(one_process, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("forgot.py").write_text(
        "from promptlab import CoCoOp\nfrom promptlab.learners import GradientStage\n\n\nclass Forgot(CoCoOp):\n"
        "    def fit_plan(self):\n        return [GradientStage('context', [self.ctx], self.loss, self.optim)]\n"
    )
    assert main(["check", "forgot:Forgot"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "no stage of the fit plan names meta_net" in out
    assert "13 of 14 passed" in out


def test_check_names_a_module_that_fails_to_import(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("broken_module.py").write_text("1 / 0\n")
    assert main(["check", "broken_module:Learner"]) == 2
    assert "importing broken_module raised ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promptlab.learners:SHIP"], "SHIP can't be built with no arguments"),
        (["my_pkg.MyLearner"], "named as MODULE:NAME"),
        (["no_such_module:X"], "No module named"),
        (["promptlab.learners:CoOpp"], "has no CoOpp"),
        (["promptlab.learners.base.optim:Optim"], "not a class derived from"),
        (["promptlab.learners:CoOp", "n_ctx"], "KEY=VALUE"),
    ],
)
def test_check_names_what_it_cannot_check(arguments, message, capsys):
    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err
