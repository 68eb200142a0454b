"""Committed numbers hold or they don't, and what doesn't is named."""

import csv
import io
from dataclasses import replace

import pytest

from promptlab import load_results
from promptlab.report.repeated import compare, read_rows
from promptlab.report.spreadsheet import record_csv
from promptlab.support.errors import UsageError
from tests.helpers.settings import FEATURES

RESULTS = load_results(FEATURES.parent / "results" / "source" / "base_to_new" / "coop")


@pytest.fixture
def committed(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(record_csv(RESULTS), encoding="utf-8")
    return path


def shifted(path, by, column="top1"):
    """The same table with the first number of a column changed."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    rows[0][column] = f"{float(rows[0][column]) + by:.4f}"
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return read_rows(path)


def test_the_same_numbers_hold(committed):
    verdict = compare(read_rows(committed), RESULTS)
    assert verdict.holds
    assert (verdict.evaluations, verdict.changed, verdict.largest) == (sum(len(r.evaluations) for r in RESULTS), 0, 0.0)


@pytest.mark.parametrize("column", ["top1", "mean_class_accuracy", "zero_shot_top1"])
def test_a_number_that_differs_is_named(committed, column):
    verdict = compare(shifted(committed, 0.01, column), RESULTS)
    assert not verdict.holds
    (difference,) = verdict.differences
    assert difference.score == column
    assert difference.points == pytest.approx(1.0, abs=0.011)
    assert "learner=coop" in difference.row


def test_a_tolerance_lets_small_differences_pass_and_counts_them(committed):
    rows = shifted(committed, 0.01)
    within, beyond = compare(rows, RESULTS, tolerance=0.02), compare(rows, RESULTS, tolerance=0.005)
    assert within.holds
    assert (within.changed, len(beyond.differences)) == (1, 1)
    assert within.largest == pytest.approx(1.0, abs=0.011)


def test_what_was_not_computed_is_missing(committed):
    verdict = compare(read_rows(committed), RESULTS[1:])
    assert not verdict.holds
    assert len(verdict.missing) == len(RESULTS[0].evaluations)


def test_a_row_of_another_id_is_found_by_name_where_only_one_is_called_so(committed):
    """Runs that differ by more than the columns say share a name, and are missing rather than mistaken."""
    rows = {f"old {key}": row | {"eval_id": f"old {key}"} for key, row in read_rows(committed).items()}
    names = [tuple(row[key] for key in ("shots", "views", "seed", "evaluation")) for row in rows.values()]
    single = sum(names.count(name) == 1 for name in names)
    verdict = compare(rows, RESULTS)
    assert (verdict.renamed, len(verdict.missing)) == (single, len(rows) - single)
    assert not verdict.differences
    (only,) = [result for result in RESULTS if result.fit_id == RESULTS[0].fit_id]
    mine = {key: row for key, row in rows.items() if row["fit_id"] == only.fit_id}
    assert compare(mine, [only]).renamed == len(mine)


def test_a_score_that_is_gone_differs_whatever_is_allowed(committed):
    name, part = next(iter(RESULTS[0].evaluations.items()))
    without = replace(part, metrics=None, reason="it can't")
    found = [replace(RESULTS[0], evaluations={**RESULTS[0].evaluations, name: without}), *RESULTS[1:]]
    verdict = compare(read_rows(committed), found, tolerance=1.0)
    assert {difference.now for difference in verdict.differences} == {None}


def test_another_table_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("learner,top1\ncoop,0.5\n")
    with pytest.raises(UsageError, match="no column eval_id"):
        read_rows(tmp_path / "other.csv")
    with pytest.raises(UsageError, match="can't be read"):
        read_rows(tmp_path / "none.csv")
