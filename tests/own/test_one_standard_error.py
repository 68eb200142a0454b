"""The winner's rule: against the standard error written out, ties, one picture more, and classes of unequal counts."""

import math

import numpy as np

from promptlab.own.one_standard_error import class_weights, simplest_within_noise

FOLDS = np.repeat([0, 1, 2, 3], 5)
LABELS = np.tile([0, 1, 2, 3, 4], 4)


def hits(*rows):
    """Which of five pictures of each fold are right."""
    return np.concatenate([np.arange(5) < row for row in rows])


def by_hand(best, other):
    """Mean difference and its two standard errors."""
    differences = [float(a) - float(b) for a, b in zip(best, other, strict=True)]
    folds = [sum(differences[5 * k : 5 * k + 5]) / 5 for k in range(4)]

    def error(values):
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        return math.sqrt(variance / len(values))

    return sum(differences) / len(differences), max(error(differences), error(folds))


def test_noise_is_the_larger_standard_error_of_the_paired_differences():
    candidates = [hits(1, 2, 3, 2), hits(3, 1, 3, 4), hits(4, 4, 3, 5)]
    found = simplest_within_noise(candidates, LABELS, FOLDS)
    assert found.best == 2
    for candidate, behind, noise in zip(candidates, found.behind, found.noise, strict=True):
        assert np.allclose((behind, noise), by_hand(candidates[2], candidate))


def test_far_behind_loses_and_close_behind_wins_for_being_simple():
    assert simplest_within_noise([hits(1, 1, 1, 1), hits(4, 4, 4, 4)], LABELS, FOLDS).chosen == 1
    assert simplest_within_noise([hits(4, 4, 4, 4), hits(5, 4, 4, 4)], LABELS, FOLDS).chosen == 0
    assert simplest_within_noise([hits(1, 1, 1, 1), hits(4, 4, 4, 4), hits(5, 4, 4, 4)], LABELS, FOLDS).chosen == 1


def test_of_equals_the_simplest_is_best_and_taken():
    found = simplest_within_noise([hits(3, 3, 3, 3), hits(3, 3, 3, 3)], LABELS, FOLDS)
    assert (found.best, found.chosen, found.behind) == (0, 0, (0.0, 0.0))


def test_one_picture_more_is_within_noise_two_more_are_not():
    none, one, two = np.zeros(20, bool), np.arange(20) < 1, np.isin(np.arange(20), [0, 7])
    assert simplest_within_noise([none, one], LABELS, FOLDS).chosen == 0
    assert simplest_within_noise([none, two], LABELS, FOLDS).chosen == 1


def test_a_single_fold_leaves_the_noise_over_pictures():
    folds = np.zeros(20, np.int64)
    assert simplest_within_noise([hits(1, 1, 1, 1), hits(5, 5, 5, 5)], LABELS, folds).chosen == 1
    assert simplest_within_noise([hits(4, 4, 4, 4), hits(5, 4, 4, 4)], LABELS, folds).chosen == 0


def test_more_wins_that_are_losses_elsewhere_are_noise():
    simple, busy = np.arange(20) % 2 == 0, np.arange(20) % 2 == 1
    busy[0] = True
    assert simplest_within_noise([simple, busy], LABELS, FOLDS).chosen == 0


def test_a_learner_that_gives_up_the_small_classes_isn_t_best():
    labels = np.repeat([0, 1, 2], [16, 2, 2])
    folds = np.arange(20) % 4
    greedy = labels == 0  # 80 % right, and a third by class
    fair = np.ones(20, bool)
    fair[[0, 1, 2, 3, 4]] = False  # 75 % right, and 90 by class
    found = simplest_within_noise([greedy, fair], labels, folds)
    assert (found.best, found.chosen) == (1, 1)
    assert math.isclose(found.behind[0], (11 / 16 + 1 + 1) / 3 - 1 / 3)


def test_balanced_accuracy_is_scikit_learns():
    from sklearn.metrics import balanced_accuracy_score

    rng = np.random.default_rng(0)
    labels, said = rng.choice([0, 1, 3], 50, p=[0.7, 0.2, 0.1]), rng.choice([0, 1, 3], 50)
    mean = (class_weights(labels) * (said == labels)).mean()
    assert math.isclose(mean, balanced_accuracy_score(labels, said))
