"""Numbers that some Results have: balanced accuracy, calibration errors; and which runs share a row by them."""

from dataclasses import replace

from promptlab.report.columns import RECORD, Scored
from promptlab.report.grouping import summarise
from promptlab.report.spreadsheet import record_csv
from promptlab.report.table import run_table, sweep_tables
from promptlab.results.calibration import CalibrationErrors, Temperature
from tests.helpers.results import make_fit, make_result


def few_shot(seed=1, top1=0.5, mean=0.25, counts=(8, 1, 0, 0), **changes):
    result = make_result(
        {"test": top1}, names=("none",), seed=seed, protocol="few_shot", class_images=counts, **changes
    )
    part = result.evaluations["test"]
    metrics = replace(part.metrics, mean_class_accuracy=mean)
    return replace(result, evaluations={"test": replace(part, metrics=metrics)})


def test_balanced_accuracy_stands_beside_the_other_where_classes_had_unequal_numbers():
    (row,) = summarise([few_shot(1, mean=0.25), few_shot(2, mean=0.75)])
    assert row.run_scores["balanced"].mean == 0.5
    assert row.zero_shot_run_scores["balanced"] == 0.5
    for counts in ((8, 8, 0, 0), None):
        (row,) = summarise([few_shot(counts=counts)])
        assert "balanced" not in row.run_scores
    table = run_table(few_shot())
    assert table.blocks[0].lines[0].scores["balanced"] == "25.00"
    assert "balanced: mean per-class accuracy, as the classes had unequal numbers of training images" in table.notes


def drawn(draw, imbalance=10.0, **changes):
    return few_shot(config={"protocol": {"draw": draw, "imbalance": imbalance}}, **changes)


def test_draws_of_another_shape_have_rows_of_their_own():
    runs = [drawn("balanced"), few_shot(seed=2), drawn("natural"), drawn("long_tail"), drawn("long_tail", 100.0)]
    rows = summarise(runs)
    assert sorted((row.setting, row.seeds) for row in rows) == [
        ("draw=long_tail, imbalance=10", (1,)),
        ("draw=long_tail, imbalance=100", (1,)),
        ("draw=natural, imbalance=–", (1,)),
        ("draw=–, imbalance=–", (1, 2)),
    ]
    assert run_table(drawn("long_tail", 100.0)).facts["draw"] == "long_tail 100"
    assert "draw" not in run_table(drawn("balanced")).facts


def errors(ece, nll):
    return CalibrationErrors(ece=ece, adaptive_ece=ece, brier=0.5, nll=nll)


def calibrated(seed, before, after, nll=(2.0, 1.0)):
    fit = make_fit(seed=seed, calibration="temperature", train_digest=f"{seed:016x}")
    result = make_result({"base": 0.5, "new": 0.5}, seed=seed, fit=fit)
    found = Temperature(value=1.5, chosen_on="96 validation images", images=96)
    parts = {
        name: replace(part, uncalibrated=errors(before, nll[0]), calibrated=errors(after, nll[1]))
        for name, part in result.evaluations.items()
    }
    return replace(result, evaluations=parts, temperature=found)


def test_calibration_errors_are_columns_of_runs_with_a_temperature():
    runs = [calibrated(1, 0.25, 0.125), calibrated(2, 0.75, 0.125), make_result()]
    plain, row = sorted(summarise(runs), key=lambda row: len(row.run_scores))
    assert not plain.run_scores
    assert {name: score.mean for name, score in row.run_scores.items()} == {
        "ECE": 0.5, "ECE after": 0.125, "NLL": 2.0, "NLL after": 1.0
    }  # fmt: skip
    (table,) = sweep_tables(runs)
    (line,) = [line for block in table.blocks for line in block.lines if line.scores.get("NLL")]
    assert (line.scores["NLL"], line.scores["ECE after"]) == ("2.0000 ±0.0000", "12.50 ±0.00")
    assert not {"ECE", "NLL", "ECE after", "NLL after"} & line.ranked.keys()
    assert "calibration=temperature" in "".join(table.notes)


def test_a_run_says_what_its_temperature_did_to_each_evaluation():
    notes = run_table(calibrated(1, 0.25, 0.125)).notes
    assert "temperature 1.500, fitted on 96 validation images" in notes
    text = "before → after: ECE 25.00 → 12.50, adaptive ECE 25.00 → 12.50, Brier 0.5000 → 0.5000, NLL 2.0000 → 1.0000"
    assert [note for note in notes if "before" in note] == [f"base, {text}", f"new, {text}"]
    unlikely = run_table(calibrated(1, 0.25, 0.125, nll=(None, None))).notes
    assert not any("NLL" in note for note in unlikely)


def test_every_run_in_a_spreadsheet_has_its_errors():
    header, first, *_ = record_csv([calibrated(1, 0.25, 0.125)]).splitlines()
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    assert (cells["ece"], cells["ece_after"], cells["nll"], cells["nll_after"]) == (
        "0.2500",
        "0.1250",
        "2.0000",
        "1.0000",
    )
    assert "ece" not in record_csv([make_result()]).splitlines()[0].split(",")
    scored = Scored(make_result(), "base")
    assert [column.name for column in RECORD if "after" in column.name and column.has(scored)] == []
