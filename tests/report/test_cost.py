from dataclasses import replace

import pytest

from promptlab.report.column import shown
from promptlab.report.cost import COSTS, cost_notes, images_per_second
from promptlab.report.grouping import summarise
from promptlab.report.markup import markdown
from promptlab.report.table import sweep_tables
from promptlab.results.schema import Seconds
from tests.helpers.results import make_result


def runs():
    """The second one slowed down by another program."""
    return [
        make_result(seed=seed, seconds=Seconds(load=1, features=2, fit=float(seed), evaluate=0.5 * seed))
        for seed in (1, 3)
    ]


def test_costs_are_means_over_seeds_and_times_the_fastest_seeds():
    (row,) = summarise(runs())
    columns = shown(COSTS, [row])
    assert [column.of(row) for column in columns] == [2048, 1.0, pytest.approx(400), pytest.approx(1.073741824)]
    assert [column.cell(row) for column in columns] == ["2,048", "1.0", "400", "1.07"]


def test_size_of_the_learner_and_memory_of_the_gpu_are_shown_where_they_were_measured():
    measured = [replace(run, learned_bytes=9_500, peak_memory_bytes_of_gpu=2_340_000_000) for run in runs()]
    (row,) = summarise([measured[0], replace(measured[1], learned_bytes=10_500)])
    cells = {column.name: column.cell(row) for column in shown(COSTS, [row])}
    assert cells["learner kB"] == "10.0"
    assert cells["GPU GB"] == "2.34"
    (table,) = sweep_tables(measured, cost=True)
    assert "| 2,048 | 9.5 | 1.0 | 400 | 1.07 | 2.34 |" in markdown(table)


def test_what_was_not_measured_is_missing():
    run = make_result(seconds=Seconds(load=0, features=0, fit=1, evaluate=0))
    assert images_per_second(run) is None
    (images,) = [column for column in COSTS if column.name == "images/s"]
    assert images.cell(summarise([run])[0]) == "–"
    assert images_per_second(make_result({"base": None}, reasons={"base": "no images"})) is None


def test_tables_show_them_on_request():
    (table,) = sweep_tables(runs(), cost=True)
    assert "| coop | 80.00 ±0.00 |" in markdown(table)
    assert "| 2,048 | 1.0 | 400 | 1.07 |" in markdown(table)
    assert "measured on cpu, torch threads: 2, Linux" in markdown(table)
    assert "parameters" not in markdown(sweep_tables(runs())[0])


def test_different_machines_are_said():
    run = make_result()
    other = make_result(seed=2, host=replace(run.host, device="cuda:0 (H100)"))
    assert cost_notes(summarise([run, other]))[-1].endswith("(costs of different machines don't compare)")
