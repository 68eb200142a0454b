"""Calibration errors against other libraries' and the definitions written out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from promptlab.evaluation.calibration import adaptive_ece, calibration_errors
from promptlab.evaluation.metrics import evaluate_scores

NETCAL = [0.42032712072432743, 0.39615358268403555, 0.3728554556819496, 0.4027911905067853]
"""By seed, what ``netcal.metrics.ECE(15, equal_intervals=False)`` of netcal 1.4.0 gives on :func:`case`."""


def case(seed, n=151, c=7):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, c, generator=generator)
    present = torch.tensor([label for label in range(c) if label not in (2, 5)])
    labels = present[torch.randint(len(present), (n,), generator=generator)]
    helped = torch.rand(n, generator=generator) < 0.5
    logits[torch.arange(n)[helped], labels[helped]] += 4
    return logits, labels


@pytest.mark.parametrize("seed", range(4))
def test_adaptive_error_is_netcals(seed):
    assert calibration_errors(*case(seed)).adaptive_ece == pytest.approx(NETCAL[seed], rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_errors_of_divided_logits_are_those_of_others(temperature):
    logits, labels = case(5)
    found = calibration_errors(logits, labels, temperature)
    probabilities = (logits.double() / temperature).softmax(1)
    assert found.nll == pytest.approx(log_loss(labels, probabilities, labels=range(7)))
    theirs = multiclass_calibration_error(probabilities, labels, num_classes=7, n_bins=15)
    assert found.ece == pytest.approx(float(theirs), abs=1e-6)
    distances = [
        sum((value - (place == label)) ** 2 for place, value in enumerate(row))
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
    ]
    assert found.brier == pytest.approx(sum(distances) / len(distances))


def test_at_temperature_one_the_error_is_that_of_the_reliability_table():
    logits, labels = case(6)
    assert calibration_errors(logits, labels).ece == evaluate_scores(logits, labels).reliability.ece


def test_bins_of_equal_numbers_hold_equal_numbers():
    """45 confidences that all differ: 15 bins of three, however they are ordered."""
    stream = np.random.default_rng(1)
    confidence, right = stream.permutation(np.linspace(0.2, 0.99, 45)), stream.random(45) < 0.5
    order = np.argsort(confidence)
    gaps = [abs(sum(confidence[i] - right[i] for i in order[start : start + 3])) for start in range(0, 45, 3)]
    assert adaptive_ece(confidence, right) == pytest.approx(sum(gaps) / 45)


def test_images_of_equal_confidence_share_a_bin():
    confidence, right = np.full(30, 0.75), np.arange(30) < 15
    assert adaptive_ece(confidence, right) == pytest.approx(0.25)


def test_a_class_that_was_ruled_out_has_no_likelihood():
    logits = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]])
    assert calibration_errors(logits, torch.tensor([0, 1])).nll is None
    assert calibration_errors(logits, torch.tensor([0, 0])).nll == 0
