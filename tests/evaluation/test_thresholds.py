import numpy as np
import pytest
import torch

from promptlab.evaluation.thresholds import threshold_for_coverage, threshold_for_false_alarms
from promptlab.learners.base.decision import Decision


def answered(logits, decision):
    """The share of pictures that a decision gives a name to."""
    names = decision.answers(logits, tuple(map(str, range(logits.shape[1]))))
    return sum(name is not None for name in names) / len(names)


def confidences(logits, temperature=1.5):
    return Decision(temperature=temperature).probabilities(logits).amax(1)


@pytest.fixture(scope="module")
def logits():
    return 4 * torch.randn(200, 5, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("coverage", [0.005, 0.29, 0.5, 0.9, 0.951, 1.0])
def test_the_coverage_is_reached_and_by_no_larger_threshold(logits, coverage):
    own = confidences(logits)
    threshold = threshold_for_coverage(own, coverage)
    assert answered(logits, Decision(temperature=1.5, threshold=threshold)) >= coverage
    larger = [float(value) for value in own if value > threshold]
    assert all(answered(logits, Decision(temperature=1.5, threshold=value)) < coverage for value in larger)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.29, 0.999])
def test_false_alarms_are_as_rare_as_asked_and_by_no_smaller_threshold(logits, rate):
    own = confidences(logits)
    threshold = threshold_for_false_alarms(own, rate)
    assert answered(logits, Decision(temperature=1.5, threshold=threshold)) <= rate
    smaller = [float(value) for value in own if value < threshold]
    assert all(answered(logits, Decision(temperature=1.5, threshold=value)) > rate for value in smaller)


def test_equal_confidences_stand_or_fall_together():
    assert threshold_for_coverage([0.7, 0.7, 0.7, 0.2], 0.5) == 0.7
    threshold = threshold_for_false_alarms([0.7, 0.7, 0.7, 0.2], 0.5)
    assert 0.7 < threshold < 0.7001


def test_shares_are_those_that_were_written():
    hundred = np.arange(1, 101) / 128
    assert threshold_for_coverage(hundred, 0.07) == hundred[-7]  # 0.07 x 100 is more than 7 in floats
    assert threshold_for_coverage(hundred, np.float64(0.29)) == hundred[-29]


def test_ends():
    assert threshold_for_coverage([0.4, 0.9], 0) == 1.0
    assert threshold_for_coverage([0.4, 0.9], 1) == 0.4
    assert threshold_for_false_alarms([0.4, 0.9], 1) == 0.0
    with pytest.raises(ValueError, match="2 of 3 unknown pictures have a probability of 1"):
        threshold_for_false_alarms([1.0, 1.0, 0.3], 0.5)


@pytest.mark.parametrize("choose", [threshold_for_coverage, threshold_for_false_alarms])
def test_what_does_not_fit_is_refused(choose):
    with pytest.raises(ValueError, match="some pictures"):
        choose([], 0.5)
    with pytest.raises(ValueError, match="from 0 to 1 are needed"):
        choose([0.5, 2.5], 0.5)
    with pytest.raises(ValueError, match=r"1\.5"):
        choose([0.5], 1.5)
