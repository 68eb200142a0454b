"""README's and CONTRIBUTING's code blocks run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


def test_readmes_ten_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[0]
    assert len(code.strip().splitlines()) <= 10
    exec(compile(code.replace("epochs=50", "epochs=2"), "README.md", "exec"), {})
    accuracy, best = capsys.readouterr().out.split()
    assert 0 < float(accuracy) < 1
    assert best.startswith("tensor(")


def test_readmes_learned_prompts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[1]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "('red circle', 'blue star') (4, 128)\n"
    assert sorted(path.name for path in (tmp_path / "my_prompts").iterdir()) == ["card.json", "learned.safetensors"]


def test_contributings_learner_is_the_example_that_is_tested():
    """Each block is a file of tests/plugin_example, which test_plugin.py installs and runs."""
    seen = []
    for language in ("python", "yaml", "toml"):
        for block in blocks("CONTRIBUTING.md", language):
            name, code = block.split("\n", 1)
            seen.append(name.removeprefix("# "))
            assert (ROOT / "tests" / "plugin_example" / seen[-1]).read_text() == code, name
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target
