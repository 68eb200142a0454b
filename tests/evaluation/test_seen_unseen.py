"""The seen-unseen curve against the plain way: add the bias, take the largest logit, average per class."""

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from promptlab.evaluation.seen_unseen import tradeoff


def plainly(logits, labels, is_unseen, bias):
    """Mean per-class accuracy with the bias added to unseen classes."""
    predicted = (logits + bias * is_unseen).argmax(1)
    classes = labels.unique().tolist()
    return np.mean([(predicted[labels == label] == label).double().mean().item() for label in classes])


@pytest.fixture
def example():
    stream = torch.Generator().manual_seed(3)
    is_unseen = torch.tensor([False, True, False, True, True, False])
    # uneven numbers of images, so that mean per class and mean over images differ
    seen_labels = torch.tensor([0] * 17 + [2] * 3 + [5] * 9)
    unseen_labels = torch.tensor([1] * 2 + [3] * 11)
    logits = [
        torch.randn(len(labels), 6, generator=stream) + 1.5 * torch.nn.functional.one_hot(labels, 6)
        for labels in (seen_labels, unseen_labels)
    ]
    return logits[0], seen_labels, logits[1], unseen_labels, is_unseen


@pytest.mark.parametrize("bias", [-100, -2.5, -0.7, 0, 0.3, 1.9, 100])
def test_every_bias_gives_what_adding_it_gives(example, bias):
    seen_logits, seen_labels, unseen_logits, unseen_labels, is_unseen = example
    seen, unseen = tradeoff(*example).at(bias)
    assert seen == pytest.approx(plainly(seen_logits, seen_labels, is_unseen, bias))
    assert unseen == pytest.approx(plainly(unseen_logits, unseen_labels, is_unseen, bias))


def test_ends_of_the_curve(example):
    whole = tradeoff(*example)
    assert whole.unseen[0] == 0
    assert whole.seen[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(whole.seen) <= 1e-12).all()
    assert (np.diff(whole.unseen) >= -1e-12).all()


def test_area_is_that_of_a_fine_sweep(example):
    seen_logits, seen_labels, unseen_logits, unseen_labels, is_unseen = example
    biases = np.linspace(-8, 8, 4001)
    seen = [plainly(seen_logits, seen_labels, is_unseen, bias) for bias in biases]
    unseen = [plainly(unseen_logits, unseen_labels, is_unseen, bias) for bias in biases]
    assert tradeoff(*example).area == pytest.approx(trapezoid(seen, unseen), abs=1e-3)


def test_a_perfect_classifier_has_area_one():
    logits = 10 * torch.eye(4)
    is_unseen = torch.tensor([False, False, True, True])
    labels = torch.arange(4)
    whole = tradeoff(logits[:2], labels[:2], logits[2:], labels[2:], is_unseen)
    assert whole.area == pytest.approx(1)
    assert whole.at(whole.best_bias) == (1, 1)


def test_the_best_bias_is_the_best_of_all(example):
    seen_logits, seen_labels, unseen_logits, unseen_labels, is_unseen = example

    def harmonic(bias):
        seen = plainly(seen_logits, seen_labels, is_unseen, bias)
        unseen = plainly(unseen_logits, unseen_labels, is_unseen, bias)
        return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0

    best = tradeoff(*example).best_bias
    assert harmonic(best) == pytest.approx(max(harmonic(bias) for bias in np.linspace(-8, 8, 4001)))


def test_what_is_shown_lies_on_the_curve():
    stream = torch.Generator().manual_seed(0)
    is_unseen = torch.arange(10) >= 5
    seen_labels, unseen_labels = torch.arange(500) % 5, 5 + torch.arange(400) % 5
    logits = [torch.randn(n, 10, generator=stream) for n in (500, 400)]
    whole = tradeoff(logits[0], seen_labels, logits[1], unseen_labels, is_unseen)
    bias, seen, unseen = whole.shown()
    assert len(bias) == len(seen) == len(unseen) == 101
    assert list(bias) == sorted(bias)
    assert all(whole.at(b) == (s, u) for b, s, u in zip(bias, seen, unseen, strict=True))


def test_without_any_right_image_there_is_no_best_bias():
    is_unseen = torch.tensor([False, False, True, True])
    logits, wrong = torch.eye(4), torch.tensor([1, 0, 3, 2])
    assert tradeoff(logits[:2], wrong[:2], logits[2:], wrong[2:], is_unseen).best_bias is None


def test_of_equal_biases_the_one_nearest_to_none_is_chosen():
    """All images right for any bias in (-10, 10); others, always wrong, change sides at -30, 3 and 40."""
    is_unseen = torch.tensor([False, False, True, True])
    seen = torch.tensor([[10.0, 0, 0, 0], [10.0, 0, -20, -20], [10.0, 0, 40, 0]])
    unseen = torch.tensor([[0.0, 0, 10, 0], [3.0, 0, 0, 0], [40.0, 0, 0, 0]])
    whole = tradeoff(seen, torch.tensor([0, 1, 1]), unseen, torch.tensor([2, 3, 3]), is_unseen)
    assert -10 < whole.best_bias < 10
    assert abs(whole.best_bias) < 4
