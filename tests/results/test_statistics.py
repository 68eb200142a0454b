import csv
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.results.statistics import harmonic_mean

PUBLISHED = Path(__file__).parents[3] / "shared/published/base_to_new_vit_b16_16shot.csv"
scores = st.just(0.0) | st.floats(1e-6, 100)


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
    assert harmonic_mean(mean(base), mean(new)) == pytest.approx(expected_h_of_means, abs=0.01)
    assert float(average["H"]) == expected_h_of_means
    assert mean([float(row["H"]) for row in datasets]) == pytest.approx(expected_mean_of_h, abs=0.006)
    assert [harmonic_mean(a, b) for a, b in zip(base, new, strict=True)] == pytest.approx(
        [float(row["H"]) for row in datasets], abs=0.011
    )
