import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from promptlab.results.statistics import (
    ci95,
    h_of_means,
    h_of_seed_means,
    harmonic_mean,
    mean,
    mean_interval,
    mean_of_h,
    mean_of_seed_h,
    population_std,
)

PUBLISHED = Path(__file__).parents[3] / "shared/published/base_to_new_vit_b16_16shot.csv"
scores = st.just(0.0) | st.floats(1e-6, 100)


@given(st.lists(scores, min_size=2, max_size=10), st.sampled_from([0.5, 0.9, 0.95]))
def test_interval_equals_scipy(values, confidence):
    found = mean_interval(values, confidence)
    half_width = stats.sem(values) * stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.half_width == pytest.approx(half_width, abs=1e-9)
    assert found.n == len(values)


def test_three_seeds_by_hand():
    """t for two degrees of freedom at 95 % is 4.303; the sample deviation of 1, 2, 3 is 1."""
    assert mean_interval([1.0, 2.0, 3.0]).half_width == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)


def test_one_value_has_no_interval():
    assert mean_interval([0.7]).half_width is None
    assert mean_interval([0.7]).mean == 0.7


def test_aggregation_as_parse_test_res_has_it():
    """P22: mean, population deviation, and 1.96 of its standard errors."""
    values = [81.2, 83.5, 82.9]
    assert mean(values) == pytest.approx(np.mean(values))
    assert population_std(values) == pytest.approx(np.std(values))
    assert ci95(values) == pytest.approx(1.96 * np.std(values) / np.sqrt(3))
    assert ci95(values) < mean_interval(values).half_width / 2.5


@pytest.mark.parametrize("function", [mean, mean_interval, population_std, ci95, mean_of_h])
def test_no_values_have_no_mean(function):
    with pytest.raises(ValueError, match="no values"):
        function([])


def test_confidence_is_a_fraction():
    with pytest.raises(ValueError, match="between 0 and 1, got 95"):
        mean_interval([1.0, 2.0], confidence=95)


@given(scores, scores)
def test_harmonic_mean_lies_between_and_is_symmetric(a, b):
    h = harmonic_mean(a, b)
    assert h == harmonic_mean(b, a)
    assert min(a, b) * (1 - 1e-12) <= h <= (a + b) / 2 * (1 + 1e-12) or min(a, b) == 0 == h


def test_harmonic_mean_at_the_edges():
    assert harmonic_mean(0, 0) == 0
    assert harmonic_mean(0, 80) == 0
    assert harmonic_mean(50, 50) == 50
    with pytest.raises(ValueError, match="at least 0"):
        harmonic_mean(-1, 2)


def test_two_ways_over_seeds():
    base, new = [80.0, 60.0], [40.0, 60.0]
    assert h_of_seed_means(base, new) == pytest.approx(2 * 70 * 50 / 120)
    assert mean_of_seed_h(base, new) == pytest.approx((2 * 80 * 40 / 120 + 60) / 2)
    for function in (h_of_seed_means, mean_of_seed_h, h_of_means):
        with pytest.raises(ValueError, match="same seeds or datasets, got 2 and 1"):
            function(base, new[:1])


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"published numbers are absent: {PUBLISHED}")
@pytest.mark.parametrize(
    ("method", "expected_h_of_means", "expected_mean_of_h"),
    [("coop", 71.66, 70.83), ("cocoop", 75.83, 75.44), ("zero_shot", 71.70, 71.59)],
)
def test_published_averages_are_h_of_means(method, expected_h_of_means, expected_mean_of_h):
    """The "Average" H of the CoCoOp table is that of the average row, up to a point above the mean of H."""
    with PUBLISHED.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    datasets = [row for row in rows if row["dataset"] != "average"]
    (average,) = (row for row in rows if row["dataset"] == "average")
    assert len(datasets) == 11
    base, new = ([float(row[name]) for row in datasets] for name in ("base", "new"))
    assert h_of_means(base, new) == pytest.approx(expected_h_of_means, abs=0.01)
    assert float(average["H"]) == expected_h_of_means
    assert mean_of_h([float(row["H"]) for row in datasets]) == pytest.approx(expected_mean_of_h, abs=0.006)
    assert [harmonic_mean(a, b) for a, b in zip(base, new, strict=True)] == pytest.approx(
        [float(row["H"]) for row in datasets], abs=0.011
    )
