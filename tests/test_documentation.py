"""README's and CONTRIBUTING's code blocks run as they stand; every public name has an example, which the suite runs."""

import ast
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from promptlab.cli._verbs import named
from promptlab.cli.main import main
from promptlab.demo import demo_dataset

ROOT = Path(__file__).resolve().parents[1]
NO_EXAMPLE = {
    "DEFAULT_TEMPLATE": "a string",
    "ImageSource": "a protocol: FileImages is one",
    "SELECT_TEMPLATES": "a tuple",
    "Scorer": "a type of functions",
    "Stage": "a union of two types",
    "UnsupportedBackboneError": "an error",
}
"""Public names without an example in their docstring, and why."""
RUN_KEYS = {
    *yaml.safe_load((ROOT / "conf" / "config.yaml").read_text()),
    *(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir()),
    "inner",
    "teacher",
}
"""How keys of a run begin."""


def public_names():
    """(package, name) of what the packages offer in their ``__init__.pyi``."""
    offered = {}
    for stub in sorted((ROOT / "promptlab").rglob("__init__.pyi")):
        package = ".".join(stub.parent.relative_to(ROOT).parts)
        for statement in ast.parse(stub.read_text()).body:
            assert isinstance(statement, ast.ImportFrom), f"{stub}: {ast.unparse(statement)}"
            for alias in statement.names:
                offered.setdefault(alias.name, (package, alias.name))
    return sorted(offered.values())


@pytest.mark.parametrize(("package", "name"), public_names(), ids=lambda part: part)
def test_every_public_name_has_an_example(package, name):
    if name in NO_EXAMPLE:
        return
    documentation = getattr(import_module(package), name).__doc__ or ""
    assert ">>> " in documentation, f"the docstring of {package}.{name} has no example (>>>)"


def test_the_commands_are_those_of_ci():
    script = (ROOT / ".ci" / "run").read_text()
    for command in ("uv run pytest -n auto", "uv run mypy"):
        assert command in script
    for page in ("README.md", "CONTRIBUTING.md", "AGENTS.md"):
        assert "uv run pytest -n auto" in (ROOT / page).read_text(), page


def test_agents_know_the_rooms():
    """AGENTS.md names the floors in the order that import-linter keeps."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = [room for floor in contracts[0]["layers"] for room in re.findall(r"\w+", floor)]
    section = (ROOT / "AGENTS.md").read_text().split("## Rooms")[1].split("## Rules")[0]
    listed = re.findall(r"`(\w+)`", section[section.index("From top to bottom") : section.index("under all")])
    assert listed == rooms


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


def test_readmes_classifier(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = demo_dataset("demo_textures")
    rows = [row for label in (0, 1) for row in (data.train.labels == label).nonzero()[0][:4]]
    given = {
        "files": [data.train.source.open(int(data.train.indices[row])) for row in rows],
        "labels": [data.class_names[data.train.labels[row]] for row in rows],
    }
    code = blocks("README.md", "python")[0]
    assert "# or learner=" in code
    exec(compile(code.replace('"demo")', '"demo", learner="tip_adapter_f", views=0)'), "README.md", "exec"), given)
    assert "(2, 2)" in capsys.readouterr().out
    assert {"card.json", "learned.safetensors"} <= {path.name for path in (tmp_path / "my_classifier").iterdir()}


def commands(name):
    """What a page's blocks call promptlab with, a line each."""
    lines = [
        line for language in ("bash", "console") for block in blocks(name, language) for line in block.splitlines()
    ]
    called = (re.match(r"(?:\$ )?(?:.*?\buv run )?promptlab\b(.*)", line) for line in lines)
    return [shlex.split(found[1], comments=True) for found in called if found]


def understood(words):
    """Whether a command line can be understood, by the parser of its verb or, of a run, by its keys."""
    if not words or "=" in words[0] or words[0] == "-m":
        return {re.split(r"[=./]", word)[0] for word in words if "=" in word} <= RUN_KEYS
    parser = getattr(named(words[0]), "_parser", None)
    unknown = parser().parse_known_args(words[1:])[1] if parser else ()
    return all("=" in word for word in unknown)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "AGENTS.md"])
def test_commands_are_understood(page):
    for words in commands(page):
        if "n_ctxx" not in " ".join(words):  # the mistake that README shows
            assert understood(words), words


def test_readmes_ten_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[1]
    assert len(code.strip().splitlines()) <= 10
    for whole, less in (("epochs=50", "epochs=2"), ("shots=16", "shots=2"), ("views=16", "views=2")):
        assert whole in code
        code = code.replace(whole, less)
    exec(compile(code, "README.md", "exec"), {})
    accuracy, names = capsys.readouterr().out.strip().split("\n", 1)
    assert 0 < float(accuracy) < 1
    assert ast.literal_eval(names)[0] in demo_dataset("demo_shapes").class_names


def test_readmes_learned_prompts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[2]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "('red circle', 'blue star') (4, 128)\n"
    assert sorted(path.name for path in (tmp_path / "my_prompts").iterdir()) == ["card.json", "learned.safetensors"]


def test_readmes_ensemble(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["learner=zero_shot", "keep=logits", "shots=1", "views=0"]) == 0
    found = {}
    exec(compile(blocks("README.md", "python")[3], "README.md", "exec"), found)
    (kept,) = found["runs"]
    assert found["ensemble"].argmax(1).tolist() == kept.logits.argmax(1).tolist()


def test_contributings_learner_is_the_example_that_is_tested():
    """Each block is a file of tests/plugin_example, which test_plugin.py installs and runs."""
    seen = []
    for language in ("python", "yaml", "toml"):
        for block in blocks("CONTRIBUTING.md", language):
            name, code = block.split("\n", 1)
            seen.append(name.removeprefix("# "))
            assert (ROOT / "tests" / "plugin_example" / seen[-1]).read_text() == code, name
    assert len(seen) == 4


def test_what_the_guide_for_porting_says_of_its_example_stands_there():
    """The last column of its table, and where its names come from."""
    guide = (ROOT / "CONTRIBUTING.md").read_text().split("### Port a trainer")[1].split("\n### ")[0]
    example = (ROOT / "promptlab/learners/prograd.py").read_text()
    rows = [line.split(" | ")[-1] for line in guide.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 18
    for said in re.findall(r"`([^`]+)`", " ".join(rows)):
        assert (ROOT / said).exists() if "/" in said else said in example, said
    for package in ("learners.base", "prompts", "clip"):
        names = re.search(rf"((?:`\w+`(?:,| and)?\s)+)(?:come )?from\s`promptlab\.{package}`", guide)
        assert all(hasattr(import_module(f"promptlab.{package}"), name) for name in re.findall(r"`(\w+)`", names[1]))
    for name in ("GradientStage", "ClosedFormStage", "Optim", "OtherBackbone", "ZeroShot"):
        assert name in guide
        assert hasattr(import_module("promptlab.learners"), name)


EXPERIMENTS = [str(page.relative_to(ROOT)) for page in ROOT.glob("experiments/*/*.md")]


STUDIES = sorted({str(Path(page).parent) for page in EXPERIMENTS} - {"experiments/examples"})
SAID = {
    "question": r"\*\*Question\.\*\*",
    "command": r"```(bash|console)\n|`python ",
    "verdict": r"\*\*Verdict",
    "date": r"\b20\d\d\b",
    "machine": r"(?i)\bcores?\b|CPU|processor|GPU",
}


@pytest.mark.parametrize("name", STUDIES)
def test_an_experiment_says_what_it_asked_how_and_what_it_found(name):
    said = "".join(page.read_text() for page in (ROOT / name).iterdir() if page.name in ("README.md", "study.yaml"))
    assert [part for part, pattern in SAID.items() if not re.search(pattern, said)] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "AGENTS.md", *EXPERIMENTS])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), target
