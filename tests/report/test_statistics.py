import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from promptlab.report.statistics import mean, mean_interval

scores = st.just(0.0) | st.floats(1e-6, 100)


@given(st.lists(scores, min_size=2, max_size=10), st.sampled_from([0.5, 0.9, 0.95]))
def test_interval_equals_scipy(values, confidence):
    found = mean_interval(values, confidence)
    half_width = stats.sem(values) * stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.half_width == pytest.approx(half_width, abs=1e-9)
    assert found.n == len(values)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_three_seeds_by_hand():
    """t for two degrees of freedom at 95 % is 4.303; the sample deviation of 1, 2, 3 is 1."""
    assert mean_interval([1.0, 2.0, 3.0]).half_width == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)


def test_one_value_has_no_interval():
    assert mean_interval([0.7]).half_width is None
    assert mean_interval([0.7]).deviation is None
    assert mean_interval([0.7]).mean == 0.7


def test_intervals_are_not_those_of_parse_test_res():
    """P22: CoOp prints 1.96 standard errors of the population deviation, too narrow for three seeds."""
    values = [81.2, 83.5, 82.9]
    found = mean_interval(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert 1.96 * np.std(values) / np.sqrt(3) < found.half_width / 2.5


@pytest.mark.parametrize("n", range(1, 20))
def test_the_mean_of_equal_values_is_that_value(n):
    """So that zero-shot CLIP, which is the same for every seed, is one baseline however many seeds a row has."""
    assert {mean([hits / 1440] * n) for hits in range(600, 620)} == {hits / 1440 for hits in range(600, 620)}


@pytest.mark.parametrize("function", [mean, mean_interval])
def test_no_values_have_no_mean(function):
    with pytest.raises(ValueError, match="no values"):
        function([])


def test_confidence_is_a_fraction():
    with pytest.raises(ValueError, match="between 0 and 1, got 95"):
        mean_interval([1.0, 2.0], confidence=95)
