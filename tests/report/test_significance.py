"""Demšar's worked example (JMLR 7, 2006, table 2), and scipy's own functions, are the oracles."""

import numpy as np
import pytest
from scipy import stats

from promptlab.report.significance import holm, paired_tests

C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957]
C45_M = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978]
"""Table 2: AUC on 14 datasets."""


def paired_test(first, second):
    (found,) = paired_tests([(first, second)])
    return found


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


def test_many_at_once_say_what_each_says_alone():
    random = np.random.default_rng(1)
    pairs = [(list(random.normal(0.01, 0.02, n)), list(random.normal(0, 0.02, n))) for n in (3, 11, 1, 20, 3, 11)]
    pairs += [([0.5, 0.6, 0.6], [0.4, 0.5, 0.7]), ([0.5, 0.6], [0.5, 0.6])]
    found = paired_tests(pairs)
    assert found == [paired_test(*pair) for pair in pairs]
    assert [test.difference.n for test in found] == [3, 11, 1, 20, 3, 11, 3, 2]
    for test, (first, second) in zip(found, pairs, strict=True):
        if test.wilcoxon_p is not None:
            differences = np.round(np.subtract(first, second), 12)
            assert test.wilcoxon_p == pytest.approx(stats.wilcoxon(differences, zero_method="zsplit").pvalue)
            assert test.t_p == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_what_cannot_be_tested_says_so():
    assert paired_test([0.5], [0.4]).reason == "one pair can't be tested"
    assert paired_test([0.5, 0.6], [0.5, 0.6]).reason.startswith("no difference in any pair")
    same = paired_test([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert same.reason.startswith("every pair differs by the same")
    assert (same.t_p, same.wilcoxon_p) == (None, None)
    assert same.difference.mean == pytest.approx(0.1)


def test_holms_own_order():
    """Holm (1979): the smallest p times the number of tests, and so on, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([None, 0.02]) == [None, 0.02]
    assert holm([]) == []
