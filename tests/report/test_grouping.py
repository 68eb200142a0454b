from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.report.grouping import summarise
from promptlab.report.statistics import mean_interval
from tests.helpers.results import make_evaluation, make_fit, make_result

SEEDS = (1, 2, 3)


def sweep(**changes):
    return [make_result({"base": 0.7 + 0.1 * seed / 3, "new": 0.5}, seed=seed, **changes) for seed in SEEDS]


def with_arguments(seed, **arguments):
    return make_fit(seed=seed, train_digest=str(seed), learner_arguments=arguments)


def test_seeds_and_their_draws_are_averaged():
    (row,) = summarise(sweep())
    scores = [0.7 + 0.1 * seed / 3 for seed in SEEDS]
    assert row.seeds == SEEDS
    assert row.scores["base"] == mean_interval(scores)
    assert row.zero_shot == {"base": 0.5, "new": 0.5}
    assert row.h_of_seed_means == pytest.approx(2 * row.scores["base"].mean * 0.5 / (row.scores["base"].mean + 0.5))
    seed_h = [2 * score * 0.5 / (score + 0.5) for score in scores]
    assert row.mean_of_seed_h.mean == pytest.approx(mean_interval(seed_h).mean)
    assert row.mean_of_seed_h.half_width == pytest.approx(mean_interval(seed_h).half_width)
    assert row.zero_shot_h == 0.5
    assert row.setting == ""
    assert row.notes == ()


def test_two_ways_to_average_h_over_seeds():
    runs = [make_result({"base": base, "new": new}, seed=seed) for seed, base, new in ((1, 0.8, 0.4), (2, 0.6, 0.6))]
    (row,) = summarise(runs)
    assert row.h_of_seed_means == pytest.approx(2 * 0.7 * 0.5 / 1.2)
    assert row.mean_of_seed_h.mean == pytest.approx((2 * 0.8 * 0.4 / 1.2 + 0.6) / 2)


@pytest.mark.parametrize(
    "change",
    [
        {"learner": "other.CoOp"},
        {"learner_arguments": {"n_ctx": 16}},
        {"learner_version": 2},
        {"class_names": ("a", "b", "c", "d")},
        {"has_images": (True, True, True, True)},
        {"template": "{}"},
        {"views": 0},
        {"selection": "val"},
        {"trainer": {"gradient_clip_val": 1.0}},
        {"backbone_fingerprint": "x"},
        {"precision": "fp16"},
    ],
)
def test_every_other_fact_of_the_fit_separates_rows(change):
    other = make_result(seed=2, fit=make_fit(seed=2, **change))
    rows = summarise([make_result(seed=1), other])
    assert len(rows) == 2
    assert all(row.setting for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        {"shots": 4},
        {"dataset": "dtd"},
        {"protocol": "few_shot"},
        {"learner": "x"},
        {"val_images": 8},
        {"marks": ("transductive",)},
    ],
)
def test_what_a_run_is_separates_rows(change):
    assert len(summarise([make_result(seed=1), make_result(seed=2, **change)])) == 2


def test_other_papers_draws_are_rows_of_their_own():
    def drawn(**protocol):
        return [replace(run, config={"protocol": {"name": "few_shot", **protocol}}) for run in sweep()]

    runs = [*sweep(), *drawn(rule="coop")[:1], *drawn(rule="validation_first")]
    rows = summarise(runs)
    assert {row.setting for row in rows} == {"rule=–", "rule=validation_first"}
    assert [row.seeds for row in rows] == [SEEDS, SEEDS]
    listed = summarise([*drawn(lists=None), *drawn(lists="lists")])
    assert {row.setting for row in listed} == {"lists=–", "lists=lists"}


def test_a_setting_names_only_what_differs():
    runs = [make_result(seed=1, fit=with_arguments(1, n_ctx=n, csc=False, optimizer={"lr": 0.1})) for n in (4, 16)]
    assert sorted(row.setting for row in summarise(runs)) == ["n_ctx=16", "n_ctx=4"]
    nested = [make_result(seed=1, fit=with_arguments(1, optimizer={"lr": lr})) for lr in (0.1, 0.2)]
    assert sorted(row.setting for row in summarise(nested)) == ["optimizer.lr=0.1", "optimizer.lr=0.2"]
    long = [make_result(seed=1, fit=with_arguments(1, templates=["x" * 50, str(n)])) for n in (1, 2)]
    assert all(len(row.setting) < 30 for row in summarise(long))
    assert len({row.setting for row in summarise(long)}) == 2


def test_of_two_runs_with_one_seed_the_newest_counts():
    old = make_result({"base": 0.1, "new": 0.1}, created="2025-01-01T00:00:00+00:00")
    (row,) = summarise([make_result(), old])
    assert row.scores["base"].mean == 0.8
    assert row.seeds == (1,)
    assert row.notes == ()
    elsewhere = replace(old, fit_id="another", fit=make_fit(train_digest="x"))
    (row,) = summarise([elsewhere, make_result()])
    assert row.scores["base"].mean == 0.8
    assert row.notes == ("seed 1: several fits on different images, the newest counts",)


def test_a_score_that_no_seed_has_is_none_with_the_reason():
    runs = [make_result({"base": 0.8, "new": None}, seed=seed, reasons={"new": "no images"}) for seed in SEEDS]
    (row,) = summarise(runs)
    assert row.scores["new"] is None
    assert row.mean_of_seed_h is None
    assert row.h_of_seed_means is None
    assert row.zero_shot_h == 0.5
    assert row.notes == ("new: no images",)


def test_seeds_without_a_score_are_named():
    runs = sweep()
    runs[1] = make_result({"base": 0.8, "new": None}, seed=2, reasons={"new": "diverged"})
    runs[2] = make_result({"base": 0.8}, seed=3)
    (row,) = summarise(runs)
    assert row.scores["base"].n == 3
    assert row.scores["new"].n == 1
    assert row.mean_of_seed_h.n == 1
    assert row.notes == ("new: diverged (seed 2 left out)", "new: not evaluated (seed 3 left out)")


def test_other_test_items_are_never_averaged():
    runs = sweep()
    other = make_evaluation("new", runs[0].fit_id, 0.9, items="other items")
    runs[0] = replace(runs[0], evaluations={**runs[0].evaluations, "new": other})
    (row,) = summarise(runs)
    assert row.scores["new"] is None
    assert row.mean_of_seed_h is None
    assert row.scores["base"].n == 3
    assert "different test items" in row.notes[0]


def test_other_data_of_the_same_name_is_another_row():
    """Also of the same seed, where the newer one would stand for both."""
    runs = [*sweep(), *sweep()]
    for place in (3, 4, 5):
        other = make_evaluation("base", runs[place].fit_id, 0.9, items="other items")
        runs[place] = replace(runs[place], evaluations={**runs[place].evaluations, "base": other}, created="2027-01-01")
    rows = summarise(runs)
    assert sorted(row.scores["base"].mean for row in rows) == pytest.approx([0.7 + 0.2 / 3, 0.9])
    assert [row.seeds for row in rows] == [SEEDS, SEEDS]
    assert all(row.setting.startswith("data=") for row in rows)


@given(st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_rows_are_sorted_whatever_the_order_of_results(order):
    results = []
    for shots in (16, 2, "all"):
        results += sweep(shots=shots)
    results += sweep(dataset="a_first")
    expected = summarise(results)
    assert [(row.dataset, row.shots) for row in expected] == [
        ("a_first", 16),
        ("demo_shapes", 2),
        ("demo_shapes", 16),
        ("demo_shapes", "all"),
    ]
    assert summarise([results[position] for position in order]) == expected


def test_what_selection_picked_doesnt_separate_seeds():
    """The epoch that validation chose is an outcome; that it chose is a fact of the fit."""
    assert len(summarise([make_result(seed=seed, selection=f"best on validation: {seed}") for seed in SEEDS])) == 1
