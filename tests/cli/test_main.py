"""Verbs are the modules of the package, and every error ends in one place, with an exit status that says which kind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import promptlab.cli
from promptlab.cli import _verbs
from promptlab.cli.main import main
from promptlab.features.store import FeatureStore
from promptlab.support.errors import DatasetError, PromptlabError, UsageError

CONTRIBUTING = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()
VERB, ITS_TEST = re.findall(r"```py\n(# (?:promptlab|tests)/cli/.*?)```", CONTRIBUTING, re.DOTALL)


@pytest.fixture
def verb(tmp_path, monkeypatch):
    """CONTRIBUTING's module, as if it were written into the package: all that a new verb takes."""
    (tmp_path / "recent.py").write_text(VERB)
    monkeypatch.setattr(promptlab.cli, "__path__", [*promptlab.cli.__path__, str(tmp_path)])
    yield
    sys.modules.pop("promptlab.cli.recent", None)
    vars(promptlab.cli).pop("recent", None)


def raising(error):
    """A verb that ends so."""

    class Verb:
        SUMMARY = USAGE = "fails"

        @staticmethod
        def main(arguments):
            raise error

    return lambda name: Verb


def test_every_verb_says_what_it_is(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert _verbs.names()[0] == "run"
    for name in _verbs.names():
        verb = _verbs.named(name)
        assert name in verb.USAGE
        assert f"promptlab {verb.USAGE}" in shown
        line = next(line for line in shown.splitlines() if f"promptlab {verb.USAGE} " in line)
        assert line.index(verb.SUMMARY) == _verbs._COLUMN, "give a shorter USAGE"
        assert verb.main.__doc__
    assert max(map(len, shown.splitlines())) <= 120


def test_help_says_the_exit_statuses(capsys):
    main(["--help"])
    shown = capsys.readouterr().out
    assert "0 done   1 failed   2 a command or configuration that can't be understood   130 interrupted" in shown


def test_a_new_verb_is_a_module(verb, tmp_path, capsys):
    for place, name in enumerate(["old", "new"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").touch()
        os.utime(tmp_path / name / "result.json", (place, place))
    assert main(["recent", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "new"), str(tmp_path / "old")]
    main(["--help"])
    assert "       promptlab recent [FOLDER]" in capsys.readouterr().out
    assert main(["recnt"]) == 2
    assert "did you mean recent?" in capsys.readouterr().err


def test_a_new_verbs_test_passes_as_contributing_has_it(verb, tmp_path, capsys):
    written = {}
    exec(compile(ITS_TEST, "CONTRIBUTING.md", "exec"), written)
    written["test_a_folder_that_is_not_there_is_a_message"](tmp_path, capsys)


def test_helpers_and_main_are_no_verbs(capsys):
    assert main(["main"]) == 2
    assert main(["_verbs"]) == 2
    assert "unknown command '_verbs'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bench", "cache", "check", "data", "interpret", "new", "synthesize"])
def test_a_verbs_own_help_imports_nothing_heavy(name):
    script = (
        "import sys; from promptlab.cli.main import main\n"
        "try: status = main([sys.argv[1], '--help'])\n"
        "except SystemExit as leaving: status = leaving.code\n"
        "heavy = {'torch', 'hydra', 'lightning', 'open_clip', 'numpy', 'PIL'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy or status else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"promptlab {name}" in done.stdout


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PromptlabError("what to do"), 1, "what to do"),
        (DatasetError("no such file"), 1, "no such file"),
        (UsageError("no such word"), 2, "no such word"),
        (ValueError("not a number"), 1, "not a number"),
        (FloatingPointError("the loss is nan"), 1, "the loss is nan"),
        (FileNotFoundError(2, "No such file", "x.png"), 1, "x.png"),
        (MemoryError(), 1, "MemoryError"),
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "CUDA out of memory"),
        (KeyboardInterrupt(), 130, "interrupted; run it again to go on"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_with_a_message_ends_in_one_line(error, status, said, monkeypatch, capsys):
    monkeypatch.setattr(_verbs, "named", raising(error))
    assert main(["list"]) == status
    shown = capsys.readouterr()
    assert shown.err.startswith("promptlab: ")
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not shown.out


@pytest.mark.parametrize("error", [KeyError("label"), RuntimeError("a defect"), AssertionError(), TypeError("of ours")])
def test_a_defect_shows_its_traceback(error, monkeypatch):
    monkeypatch.setattr(_verbs, "named", raising(error))
    with pytest.raises(type(error)):
        main(["list"])


def test_debug_shows_where_and_keeps_the_status(monkeypatch, capsys):
    monkeypatch.setattr(_verbs, "named", raising(UsageError("no such word")))
    monkeypatch.setenv("PROMPTLAB_LOG", "debug")
    assert main(["list"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "raise error" in shown
    assert shown.endswith("promptlab: no such word\n")


def test_a_reader_that_goes_is_no_traceback():
    """As ``promptlab --help | head -1`` does it, with a pipe whose other end is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        command = [sys.executable, "-m", "promptlab", "--help"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("arguments", [["list"], ["clear"], ["prune", "--keep-mb", "0"]])
def test_a_newer_cache_is_a_message(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path))
    FeatureStore().database.writing(lambda connection: connection.execute("PRAGMA user_version = 99"))
    assert main(["cache", *arguments]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("promptlab: the feature cache ")
    assert "written by a newer promptlab (schema 99" in shown
    assert len(shown.splitlines()) == 1
