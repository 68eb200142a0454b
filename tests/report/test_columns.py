"""A column is one entry in a list; marks are columns wherever there are any."""

import csv
from dataclasses import replace

import pytest
from rich.console import Console

from promptlab.report import columns
from promptlab.report.column import Column, ScoreColumn, shown
from promptlab.report.columns import LABELS, RECORD, SCORES, Scored
from promptlab.report.markup import latex, markdown
from promptlab.report.spreadsheet import csv_text, record_csv, sweep_csv
from promptlab.report.table import run_table, sweep_table, sweep_tables
from tests.helpers.results import make_result


def printed(renderable):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def everywhere(results):
    """What every kind of table says of results."""
    (table,) = sweep_tables(results)
    return [printed(sweep_table(results)), markdown(table), latex(table), sweep_csv(results)]


def test_a_new_column_of_scores_is_one_entry(monkeypatch):
    gain = ScoreColumn(
        name="gain",
        of=lambda row: row.scores["new"].mean - row.zero_shot["new"],
        note=lambda rows: "gain over zero-shot on new classes",
    )
    monkeypatch.setattr(columns, "SCORES", (*SCORES, gain))
    results = [make_result({"base": 0.8, "new": 0.625}, seed=seed) for seed in (1, 2)]
    assert all("gain" in text and ("12.50" in text or "0.1250" in text) for text in everywhere(results))
    assert "gain over zero-shot on new classes" in printed(run_table(results[0]))


def test_a_column_that_speaks_of_no_row_is_not_shown():
    odd = Column(name="odd", of=lambda number: None, has=lambda number: number % 2 == 1)
    assert shown([odd], [2, 4]) == []
    assert shown([odd], [2, 3]) == [odd]
    assert [odd.cell(2), odd.cell(3), odd.cell(3, missing="")] == ["", "–", ""]


def test_names_of_columns_are_their_own():
    for listed in ((*columns.SWEEP, *SCORES), RECORD, columns.RUN_FACTS):
        names = [column.name for column in listed]
        assert len(set(names)) == len(names)
    assert {"learner", "marks"} <= {column.name for column in LABELS}


def test_marked_learners_stand_apart_and_after_the_others():
    marked = make_result(learner="adaptive", marks=("transductive", "unlabelled images"))
    results = [marked, make_result(learner="coop")]
    for text in everywhere(results):
        assert "marks" in text
        assert "transductive, unlabelled images" in text
        assert text.index("coop") < text.index("adaptive")


def test_a_mark_that_all_rows_have_stands_above_them():
    marked = make_result(marks=("test_time",))
    assert "seeds 1, marks test_time" in printed(sweep_table([marked]))
    assert "selection last epoch, marks test_time" in printed(run_table(marked))
    assert record_csv([marked]).splitlines()[0].endswith(",commit,marks")


def test_marked_runs_are_never_averaged_with_others():
    text = printed(sweep_table([make_result(seed=1), make_result(seed=2, marks=("transductive",))]))
    assert "±" not in text
    assert "(a)" not in text  # the column tells them apart


def test_without_marks_nothing_speaks_of_them():
    assert not any("marks" in text for text in everywhere([make_result()]))


@pytest.mark.parametrize("dirty", [True, False])
def test_a_record_says_what_where_and_from_which_commit(dirty):
    run = make_result({"base": 0.8, "new": None}, reasons={"new": "no images"})
    run = replace(run, git=replace(run.git, dirty=dirty))
    first, second = csv.DictReader(record_csv([run]).splitlines())
    assert list(first) == [
        *("dataset", "protocol", "learner", "backbone", "shots", "views", "seed", "evaluation", "images", "top1"),
        *("mean_class_accuracy", "zero_shot_top1", "fit_seconds", "fit_id", "eval_id", "commit"),
    ]
    assert first["evaluation"] == "base"
    assert first["top1"] == "0.8000"
    assert first["eval_id"] == run.evaluations["base"].eval_id
    assert first["commit"] == "0" * 12 + ("+" if dirty else "")
    assert (second["top1"], second["zero_shot_top1"], second["images"]) == ("", "0.5000", "100")


def test_a_record_without_a_checkout_and_without_zero_shot():
    run = make_result({"base": None}, reasons={"base": "no images"}, git=None, zero_shot={"base": None})
    (row,) = csv.DictReader(record_csv([run]).splitlines())
    assert (row["images"], row["zero_shot_top1"], row["commit"]) == ("", "", "")
    assert Scored(run, "base").part is run.evaluations["base"]


def test_no_results_are_a_line_of_names():
    assert record_csv([]) == csv_text(RECORD, [])
    assert record_csv([]).startswith("dataset,protocol,learner,")


def test_a_spreadsheet_of_means_has_a_number_in_every_cell_of_scores():
    runs = [make_result({"base": 0.7 + seed / 100, "new": 0.5}, seed=seed) for seed in (1, 2, 3)]
    (row,) = csv.DictReader(sweep_csv(runs).splitlines())
    assert (row["base"], row["base half width"], row["base zero-shot"]) == ("0.7200", "0.0248", "0.5000")
    assert row["base sd"] == "0.0100"
    assert row["seeds"] == "1-3"
    assert row["metric"] == "top1"
    assert float(row["H"]) == pytest.approx(float(row["H of means"]), abs=1e-3)
