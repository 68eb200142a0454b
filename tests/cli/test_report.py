"""``promptlab report``: the results of folders in every form, without torch."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from promptlab.cli.main import main
from promptlab.results.store import find_results

RESULTS = str(Path(__file__).resolve().parents[1] / "earlier" / "written" / "results")


def shown(capsys, *arguments):
    assert main(["report", RESULTS, *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("form", "part"), [("table", "zero-shot"), ("markdown", "| --:"), ("latex", r"\toprule")])
def test_every_protocol_has_a_table(capsys, form, part):
    out = shown(capsys, "--format", form)
    assert part in out
    for protocol in ("few", "base", "cross", "domain", "generalized"):
        assert protocol in out


def test_runs_are_rows(capsys):
    rows = list(csv.DictReader(io.StringIO(shown(capsys, "--format", "runs"))))
    assert {row["fit_id"] for row in rows} == {path.parent.name for path in find_results(RESULTS)}
    averaged = list(csv.DictReader(io.StringIO(shown(capsys, "--format", "csv"))))
    assert len(averaged) < len(rows)


def test_no_torch_is_waited_for():
    code = (
        f"import sys; from promptlab.cli.main import main; main(['report', {RESULTS!r}]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_folder_without_results_is_said(capsys, tmp_path):
    assert main(["report", str(tmp_path)]) == 2
    assert "there are no results in" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
