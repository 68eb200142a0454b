"""Whatever a file holds: a message and exit 1 or 2, no traceback, no results; only what can be used is used."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from promptlab.cli.main import main
from tests.helpers.bad_files import KINDS

FEW = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_a_message(kind, capsys):
    name, contents, command = KINDS[kind]

    @FEW
    @given(st.data())
    def ask(data):
        with TemporaryDirectory() as folder:
            file, results = Path(folder, "in", name), Path(folder, "results")
            file.parent.mkdir(parents=True)
            file.write_bytes(data.draw(contents))
            line = command(file)
            status = main(line if kind == "card" else [*line, f"results={results}"])
            said = capsys.readouterr().err
            assert status in (0, 1, 2)
            if status:
                assert said.strip()
                assert [path for path in results.rglob("*") if path.is_file()] == []

    ask()
