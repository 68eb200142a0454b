import pytest
from scipy import stats

from promptlab.report.comparison import comparisons, rankings
from promptlab.report.statistics import mean
from promptlab.report.study import sections
from tests.helpers.studies import study


def compared(runs, over):
    (section,) = sections(runs)
    return {(found.first, found.second): found for found in comparisons(section) if found.over == over}


def scores(runs, learner, key, value):
    return [
        mean(
            [run.evaluations["test"].metrics.top1 for run in runs if run.learner == learner and getattr(run, key) == v]
        )
        for v in value
    ]


def test_over_seeds_and_over_datasets():
    runs = study()
    seeds = compared(runs, "seeds")["coop", "zero-shot"]
    baseline = 0.45
    assert seeds.pairs == 3
    coop = scores(runs, "coop", "seed", (1, 2, 3))
    assert seeds.test.t_p == pytest.approx(stats.ttest_1samp(coop, baseline).pvalue)
    places = compared(runs, "datasets")["coop", "zero-shot"]
    names = ("dtd", "eurosat", "caltech101")
    assert places.pairs == 3
    assert places.test.t_p == pytest.approx(
        stats.ttest_rel(scores(runs, "coop", "dataset", names), [0.4, 0.45, 0.5]).pvalue
    )
    assert places.test.difference.mean == pytest.approx(mean(coop) - baseline)


def test_holm_is_over_all_pairs_of_one_number_of_shots():
    found = compared(study(learners=("coop", "maple", "kgcoop")), "datasets")
    smallest = min(found.values(), key=lambda comparison: comparison.test.t_p or 1)
    tested = sum(comparison.test.t_p is not None for comparison in found.values())
    assert smallest.t_holm == pytest.approx(min(1, tested * smallest.test.t_p))


def test_one_seed_is_not_tested_and_says_so():
    found = compared(study(seeds=(1,)), "seeds")["maple", "coop"]
    assert found.test.reason == "one pair can't be tested"
    assert found.t_holm is None


def test_many_contestants_are_compared_with_the_best_and_with_zero_shot():
    found = compared(study(learners=[f"learner{n}" for n in range(13)]), "seeds")
    assert len(found) == 13 + 12


def test_ranks_over_shared_datasets():
    (section,) = sections(study(shots=(1, 16)))
    found = rankings(section)
    assert list(found) == [1, 16]
    assert dict(found[16].ranks) == {"maple": 1.0, "coop": 2.0, "zero-shot": 3.0}
    assert rankings(sections(study(datasets=("dtd",)))[0]) == {}
