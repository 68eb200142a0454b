"""Whatever a file holds: a message and exit 1 or 2, no traceback, no results; only what can be used is used."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from open_clip import factory

from promptlab.cli.main import main
from tests.helpers.bad_files import KINDS, TINY

FEW = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_a_message(kind, capsys, tmp_path, monkeypatch):
    name, contents, command = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-quickgelu", TINY)

    @FEW
    @given(st.data())
    def ask(data):
        with TemporaryDirectory() as folder:
            file, results = Path(folder, "in", name), Path(folder, "results")
            file.parent.mkdir(parents=True)
            file.write_bytes(data.draw(contents))
            line = command(file)
            status = main([*line, f"results={results}"] if "=" in line[0] else line)
            said = capsys.readouterr()
            assert status in (0, 1, 2)
            assert list(tmp_path.iterdir()) == []  # nothing that a file names was run
            if status:
                assert (said.err + said.out).strip()
                assert "Traceback" not in said.err
                assert not results.exists()

    ask()
