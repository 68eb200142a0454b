"""README's and CONTRIBUTING's code blocks run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


def test_readmes_ten_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("README.md", "python")
    assert len(code.strip().splitlines()) <= 10
    exec(compile(code.replace("epochs=50", "epochs=2"), "README.md", "exec"), {})
    accuracy, best = capsys.readouterr().out.split()
    assert 0 < float(accuracy) < 1
    assert best.startswith("tensor(")


def test_contributings_learner_is_a_plug_in(tmp_path):
    """Its three files, in an empty folder: the contract's tests pass, and the command line runs it."""
    for language in ("python", "yaml"):
        for block in blocks("CONTRIBUTING.md", language):
            path = tmp_path / block.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_pkg.py"]
    run = [sys.executable, "-m", "promptlab", "learner=biased", "--config-dir", "my_conf", "views=0", "shots=1"]
    for command, expected in ((tests, "passed"), (run, "biased")):
        environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "", "PROMPTLAB_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert expected in done.stdout


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target
