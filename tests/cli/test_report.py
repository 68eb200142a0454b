"""``promptlab report``: the results of folders in every form, without torch."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptlab.cli.main import main
from promptlab.jobs.notes import write_note
from promptlab.results.store import find_results
from tests.helpers.sweeps import finish, make_sweep

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


def test_files_are_written_and_named(capsys, tmp_path):
    names = {"latex": "t.tex", "markdown": "t.md", "csv": "t.csv", "runs": "r.csv", "parquet": "r.parquet"}
    options = [word for name, file in names.items() for word in (f"--{name}", str(tmp_path / "out" / file))]
    out = shown(capsys, *options)
    assert sorted(out.splitlines()) == sorted(f"wrote {tmp_path / 'out' / file}" for file in names.values())
    for name in ("latex", "markdown", "csv", "runs"):
        assert (tmp_path / "out" / names[name]).read_text() == shown(capsys, "--format", name)


def test_parquet_has_the_rows_of_every_run_in_their_types(capsys, tmp_path):
    from pyarrow import parquet

    shown(capsys, "--parquet", str(tmp_path / "runs.parquet"))
    found = parquet.read_table(tmp_path / "runs.parquet")
    rows = list(csv.DictReader(io.StringIO(shown(capsys, "--format", "runs"))))
    assert found.column_names == list(rows[0])
    assert [f"{score:.4f}" for score in found["zero_shot_top1"].to_pylist()] == [row["zero_shot_top1"] for row in rows]
    assert {str(found.schema.field(name).type) for name in ("top1", "fit_seconds")} == {"double"}
    assert str(found.schema.field("seed").type) == "int64"


def test_cost_and_subscripts(capsys):
    assert r"$_{\pm " in shown(capsys, "--format", "latex", "--subscripts")
    assert "training s" in shown(capsys, "--format", "markdown", "--cost")
    assert "training s" not in shown(capsys, "--format", "markdown")


def test_a_missing_package_is_a_line_with_its_cure(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["report", RESULTS, "--parquet", str(tmp_path / "x")]) == 2
    assert "a Parquet file needs pyarrow: pip install 'promptlab-clip[report]'" in capsys.readouterr().err


def test_the_page_and_the_figures(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("promptlab.report.figures.style.FORMATS", ("pdf",))  # tests/report/figures tries them all
    page, figures = tmp_path / "page.html", tmp_path / "figures"
    one = next(path for path in find_results(RESULTS) if "maple" in path.parts).parent
    assert main(["report", str(one), "--html", str(page)]) == 0
    assert capsys.readouterr().out == f"wrote {page}\n"
    assert "Every run" in page.read_text()
    assert main(["report", str(one), "--figures", str(figures)]) == 0
    files = sorted(path.name for path in figures.iterdir())
    said = f"wrote {len(files) // 2} figures to {figures}, {len(files)} files\n"  # in two widths
    assert capsys.readouterr().out == said
    assert any(name.endswith("-reliability-two_columns.pdf") for name in files)


def test_a_damaged_result_is_named_on_the_page(tmp_path):
    folder = tmp_path / "results" / "broken"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    one = next(path for path in find_results(RESULTS) if "maple" in path.parts).parent
    shutil.copytree(one, tmp_path / "results" / "whole")
    assert main(["report", str(tmp_path / "results"), "--html", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text()
    assert f"{folder / 'result.json'} can&#39;t be read and was skipped: not valid JSON" in text
    assert 'href="#missing"' in text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_the_page_says_what_it_needs(capsys, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["report", RESULTS, "--html", str(tmp_path / "x.html")]) == 2
    assert f"needs {package}: pip install 'promptlab-clip[report]'" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()


def test_runs_without_a_result_are_named_with_their_commands(capsys, tmp_path):
    folder = make_sweep(tmp_path)
    finish(tmp_path, "coop", 1)
    write_note(folder, 1, {"overrides": [], "error": "<b>nan</b>"})
    assert main(["report", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{folder}: 3 of 4 runs have no result (1 failed, 2 missing); promptlab sweep resume" in out
    failed = "failed      learner=coop seed=2: <b>nan</b>\n            promptlab learner=coop seed=2\n"
    assert failed in out
    files = {name: tmp_path / name for name in ("markdown", "html")}
    assert (
        main(["report", str(tmp_path), *(word for name, at in files.items() for word in (f"--{name}", str(at)))]) == 0
    )
    assert "3 of 4 runs have no result" in capsys.readouterr().err
    row = r"| failed | learner=coop seed=2 | \<b\>nan\</b\> | promptlab learner=coop seed=2 |"
    assert row in files["markdown"].read_text()
    page = files["html"].read_text()
    assert (
        "<td>missing</td><td>learner=zero_shot seed=2</td><td></td><td>promptlab learner=zero_shot seed=2</td>" in page
    )
    assert "&lt;b&gt;nan&lt;/b&gt;" in page
