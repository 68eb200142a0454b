"""What tables say of unknown images."""

from dataclasses import replace

import pytest

from promptlab.report.grouping import summarise
from promptlab.report.markup import markdown
from promptlab.report.table import run_table, sweep_tables
from promptlab.results.document import Result, ResultError
from promptlab.results.open_world import Detection, OpenWorldResult, UnknownResult
from tests.helpers.results import make_result


def unknown(kind, dataset, auroc, fpr):
    own = None if auroc is None else Detection(auroc=auroc, aupr_in=0.5, aupr_out=0.25, fpr95=fpr)
    zero_shot = Detection(auroc=0.5, aupr_in=0.5, aupr_out=0.5, fpr95=0.875)
    return UnknownResult(kind=kind, dataset=dataset, items_digest="0" * 16, images=4, learner=own, zero_shot=zero_shot)


def opened(seed, near, far, both=0.375, **changes):
    parts = tuple(unknown(*part) for part in (("near", "demo_shapes", *near), *(("far", *part) for part in far)))
    found = OpenWorldResult(
        score="msp", temperature=1.0, known="base", new="new", unknown=parts, learner=both, zero_shot=0.125
    )
    return make_result(seed=seed, protocol="open_world", open_world=replace(found, **changes))


def test_seeds_and_far_datasets_are_averaged_apart():
    runs = [
        opened(1, (0.75, 0.5), [("a", 0.5, 0.25), ("b", 0.75, 0.5)]),
        opened(2, (0.25, 0.25), [("a", 0.5, 0.25), ("b", 0.25, 0.0)]),
    ]
    (row,) = summarise(runs)
    means = {name: score.mean for name, score in row.run_scores.items()}
    assert means == {
        "OpenworldAUC": 0.375, "near AUROC": 0.5, "near FPR95": 0.375, "far AUROC": 0.5, "far FPR95": 0.25
    }  # fmt: skip
    assert row.zero_shot_run_scores["near FPR95"] == 0.875
    (table,) = sweep_tables(runs)
    assert "far FPR95" in markdown(table)


def test_no_column_calls_the_most_false_alarms_the_best():
    (table,) = sweep_tables([opened(1, (0.75, 0.5), [])])
    (block,) = table.blocks
    assert {"near AUROC", "near FPR95"} <= set(block.lines[0].scores)
    assert "near AUROC" in block.lines[0].ranked
    assert "near FPR95" not in block.lines[0].ranked | block.zero_shot_ranked


def test_a_run_says_all_of_each_kind_below_its_table():
    table = run_table(opened(1, (0.75, 0.5), [("a", None, None)], both=None, temperature=100.0))
    assert "near, 4 images of demo_shapes, by msp at temperature 100: AUROC 75.00, AUPR in 50.00, AUPR out 25.00, " \
           "FPR95 50.00" in table.notes  # fmt: skip
    assert table.blocks[0].lines[0].scores["OpenworldAUC"] == "–"
    assert not any(note.startswith("far, ") for note in table.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": 0.5}, "open_world.learner is 0.5, but at most 0.48 follows"),
        ({"zero_shot": 1.5}, "open_world.zero_shot holds 1.5"),
        (
            {"unknown": (unknown("near", "demo_shapes", 1.25, 0.0),)},
            r"open_world.unknown\[0\].learner.auroc holds 1.25",
        ),
    ],
)
def test_what_cant_have_been_measured_is_refused(changes, message):
    result = opened(1, (0.75, 0.5), [])
    assert Result.from_json(result.to_json()) == result
    wrong = replace(result, open_world=replace(result.open_world, **changes))
    with pytest.raises(ResultError, match=message):
        Result.from_json(wrong.to_json())
