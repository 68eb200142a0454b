"""Demšar's worked example (JMLR 7, 2006, table 6), and scipy's own functions, are the oracles."""

import numpy as np
import pytest
from scipy import stats

from promptlab.report.ranking import critical_difference, ranking

RANKS = {
    "C4.5": [4, 1, 4, 4, 4, 1, 3, 2.5, 4, 2.5, 4, 3, 4, 3],
    "C4.5+m": [3, 2, 1, 1, 2, 2.5, 2, 2.5, 3, 2.5, 2.5, 2, 1, 1],
    "C4.5+cf": [2, 3, 2, 3, 3, 4, 4, 4, 2, 2.5, 1, 4, 2, 4],
    "C4.5+m+cf": [1, 4, 3, 2, 1, 2.5, 1, 1, 1, 2.5, 2.5, 1, 3, 2],
}
"""Table 6: ranks of four learners there."""


def test_demsars_ranks_and_critical_difference():
    scores = {name: [-rank for rank in ranks] for name, ranks in RANKS.items()}
    found = ranking(scores)
    assert list(found.ranks) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    expected = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert found.ranks == pytest.approx(expected, abs=5e-4)
    assert found.datasets == 14
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*scores.values()).pvalue)
    assert found.friedman_p < 0.05
    # "the post-hoc test is not powerful enough": the best and the worst differ by 1.18 < 1.25
    assert found.alike == (tuple(found.ranks),)


@pytest.mark.parametrize(
    ("learners", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (8, 3.031), (10, 3.164)]
)
def test_demsars_table_of_critical_values(learners, q):
    assert critical_difference(learners, 10) == pytest.approx(q * np.sqrt(learners * (learners + 1) / 60), abs=7e-4)


def test_groups_overlap_and_none_lies_in_another():
    found = ranking({str(name): [-name + 0.1 * dataset for dataset in range(30)] for name in range(5)})
    assert list(found.ranks.values()) == [1, 2, 3, 4, 5]
    assert 1 < found.critical_difference < 2
    assert found.alike == (("0", "1"), ("1", "2"), ("2", "3"), ("3", "4"))


def test_ties_share_their_ranks_and_all_tied_is_no_test():
    found = ranking({"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [0.5, 0.5]})
    assert set(found.ranks.values()) == {2.0}
    assert found.friedman_p is None
    assert found.alike == (("a", "b", "c"),)


def test_fewer_than_two_of_either_are_refused():
    with pytest.raises(ValueError, match="two learners"):
        ranking({"a": [0.5, 0.6]})
    with pytest.raises(ValueError, match="two datasets"):
        ranking({"a": [0.5], "b": [0.6]})
