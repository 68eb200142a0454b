"""Demšar's worked example (JMLR 7, 2006, tables 2 and 6), and scipy's own functions, are the oracles."""

import numpy as np
import pytest
from scipy import stats

from promptlab.report.significance import critical_difference, holm, paired_test, ranking

C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957]
C45_M = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978]
"""Table 2: AUC on 14 datasets."""
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


def test_demsars_signed_ranks():
    """Table 2: R+ = 93, R- = 12, the two zeros split; p is below 0.02."""
    found = paired_test(C45_M, C45)
    differences = np.round(np.subtract(C45_M, C45), 12)
    assert stats.wilcoxon(differences, zero_method="zsplit").statistic == 12
    assert found.wilcoxon_p == stats.wilcoxon(differences, zero_method="zsplit").pvalue < 0.02
    assert found.t_p == stats.ttest_rel(C45_M, C45).pvalue
    low, high = stats.ttest_rel(C45_M, C45).confidence_interval()
    assert found.difference.mean - found.difference.half_width == pytest.approx(low)
    assert found.difference.mean + found.difference.half_width == pytest.approx(high)
    assert found.reason == ""


@pytest.mark.parametrize(
    "differences",
    [
        [0.02, 0.01, -0.01],
        [0.02, 0.02, 0.02, -0.01, 0.0],
        [0.03, 0.01, 0.01, -0.02, 0.05, 0.04, 0.0],
        [0.031, 0.012, 0.013, -0.024, 0.055, 0.046],
    ],
)
def test_few_pairs_are_exact_with_ties_and_zeros_too(differences):
    found = paired_test(differences, [0.0] * len(differences))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(differences, zero_method="zsplit").pvalue)


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


def test_what_cannot_be_tested_says_so():
    assert paired_test([0.5], [0.4]).reason == "one pair can't be tested"
    assert paired_test([0.5, 0.6], [0.5, 0.6]).reason.startswith("no difference in any pair")
    same = paired_test([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert same.reason.startswith("every pair differs by the same")
    assert (same.t_p, same.wilcoxon_p) == (None, None)
    assert same.difference.mean == pytest.approx(0.1)
    with pytest.raises(ValueError, match="two learners"):
        ranking({"a": [0.5, 0.6]})
    with pytest.raises(ValueError, match="two datasets"):
        ranking({"a": [0.5], "b": [0.6]})


def test_holms_own_order():
    """Holm (1979): the smallest p times the number of tests, and so on, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([None, 0.02]) == [None, 0.02]
    assert holm([]) == []
