"""Marks that no table may lose: in whatever form results are compared, a marked learner stands apart by name."""

import csv
import io

import pytest

from promptlab.learners.base.marks import MARKS
from promptlab.report.average_table import average_tables
from promptlab.report.comparison import comparisons
from promptlab.report.figures.gains import gain_bars
from promptlab.report.figures.style import looks
from promptlab.report.markup import latex, markdown
from promptlab.report.page.runs import runs_table
from promptlab.report.page.tables import section_tables
from promptlab.report.spreadsheet import record_csv, sweep_csv, write_parquet
from promptlab.report.study import sections
from promptlab.report.table import sweep_tables
from tests.helpers.studies import study

MARK = ", ".join(MARKS)


@pytest.fixture(scope="module")
def runs():
    """A plain learner, and one with every mark."""
    marked = study(datasets=("dtd", "eurosat"), learners=("maple",), marks=MARKS)
    return [*study(datasets=("dtd", "eurosat"), learners=("coop",)), *marked]


def test_markdown_and_latex(runs):
    for table in (*sweep_tables(runs), *average_tables(runs)):
        lines = [line for line in markdown(table).splitlines() if "maple" in line and line.startswith("|")]
        assert lines
        assert all(mark.replace("_", r"\_") in line for mark in MARKS for line in lines)
        rows = [line for line in latex(table).splitlines() if "maple" in line and "&" in line]
        assert all(mark.replace("_", r"\_") in row for mark in MARKS for row in rows)
        assert not any(r"\textbf" in row for row in rows)  # it doesn't compete


def test_spreadsheets(runs, tmp_path):
    for text in (sweep_csv(runs), record_csv(runs)):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["marks"] for row in rows if row["learner"] == "maple"} == {MARK}
        assert {row["marks"] for row in rows if row["learner"] == "coop"} == {""}
    from pyarrow import parquet

    write_parquet(tmp_path / "runs.parquet", runs)
    found = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert {tuple(row["marks"]) for row in found if row["learner"] == "maple"} == {MARKS}


def test_page_and_figures(runs):
    (section,) = sections(runs)
    name = f"maple [{MARK}]"
    tables = [*section_tables(section, comparisons(section), []), runs_table([section], {})]
    assert len(tables) == 4
    for table in tables:
        shown = {cell.text for row in table.rows for cell in row}
        assert name in shown
        assert "maple" not in shown
    (axes,) = gain_bars(section, looks(section.contestants)).draw(6.75).axes
    assert name in {container.get_label() for container in axes.containers}
