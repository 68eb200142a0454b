import numpy as np
import pytest

import promptlab
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.prediction_sets import class_set_thresholds, prediction_sets, set_threshold
from promptlab.evaluation.temperature import fit_temperature
from promptlab.learners.base.decision import Decision


def by_definition(probabilities, labels, coverage):
    """A class is in where its conformity p-value is above 1 - coverage: the set of the full definition."""
    own = probabilities[np.arange(len(labels)), labels]

    def sets(rows):
        at_most = (own[None, None, :] <= rows[:, :, None]).sum(2)  # held-out pictures that conform no better
        return (at_most + 1) / (len(own) + 1) > 1 - coverage + 1e-12

    return sets


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.975])
@pytest.mark.parametrize("held_out", [3, 9, 40, 99])
def test_sets_are_those_of_the_definition(held_out, coverage):
    generator = np.random.default_rng(held_out)
    probabilities = generator.dirichlet(np.ones(4) * 0.4, held_out)
    labels = np.array([generator.choice(4, p=row) for row in probabilities])
    new = generator.dirichlet(np.ones(4) * 0.4, 100)
    found = prediction_sets(new, set_threshold(probabilities, labels, coverage))
    np.testing.assert_array_equal(found, by_definition(probabilities, labels, coverage)(new))
    thresholds = class_set_thresholds(probabilities, labels, coverage)
    for label in range(4):
        own = labels == label
        expected = by_definition(probabilities[own], labels[own], coverage)(new)[:, label]
        np.testing.assert_array_equal(prediction_sets(new, thresholds)[:, label], expected)


def test_the_whole_number_of_places_is_exact():
    probabilities = np.stack([np.arange(1, 10) / 10, 1 - np.arange(1, 10) / 10], 1)
    labels = np.zeros(9, dtype=int)
    assert set_threshold(probabilities, labels, 0.9) == pytest.approx(0.1)  # 10 x (1 - 0.9) is below 1 in floats
    assert set_threshold(probabilities, labels, 0.91) == 0.0


def test_the_promise_is_kept_on_the_demo():
    """Half of the test pictures choose, the other half checks, over a hundred ways to halve them."""
    data = promptlab.demo_dataset("demo_shapes")
    learner = promptlab.ZeroShot(promptlab.load_clip("demo"), data.class_names)
    items = data.test.take(range(0, len(data.test), 8))
    logits, labels = logits_of(learner, items), items.labels
    generator = np.random.default_rng(0)
    all_together, worst_class = [], []
    for _ in range(100):
        order = generator.permutation(len(labels))
        held_out, new = order[: len(order) // 2], order[len(order) // 2 :]
        decision = Decision(temperature=fit_temperature(logits[held_out], labels[held_out]))
        probabilities = decision.probabilities(logits).numpy()
        sets = prediction_sets(probabilities[new], set_threshold(probabilities[held_out], labels[held_out], 0.8))
        right = sets[np.arange(len(new)), labels[new]]
        all_together.append(right.mean())
        worst_class.append(min(right[labels[new] == label].mean() for label in set(labels[new].tolist())))
    assert np.mean(all_together) == pytest.approx(0.8, abs=0.02)
    assert np.mean(worst_class) < 0.6  # what sets by class are for


def test_sets_by_class_cover_each_class():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 4000)
    sure = np.array([5.0, 2.0, 0.5])[labels]  # classes that are known well, and badly
    logits = generator.normal(size=(len(labels), 3)) + sure[:, None] * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    held_out = generator.permutation(len(labels)) < len(labels) // 2
    together = set_threshold(probabilities[held_out], labels[held_out], 0.9)
    apart = class_set_thresholds(probabilities[held_out], labels[held_out], 0.9)
    rows, of = probabilities[~held_out], labels[~held_out]

    def covered(thresholds):
        right = prediction_sets(rows, thresholds)[np.arange(len(of)), of]
        return [right[of == label].mean() for label in range(3)]

    assert covered(apart) == pytest.approx([0.9] * 3, abs=0.025)
    assert covered(together)[0] > 0.97
    assert covered(together)[2] < 0.85


def test_too_few_pictures_promise_nothing_less_than_everything():
    assert set_threshold(np.empty((0, 3)), np.empty(0, dtype=int), 0.9) == 0.0
    assert prediction_sets([[0.9, 0.1, 0.0]], 0.0).tolist() == [[True, True, True]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"got \(1, 2\) and \(2,\)"):
        set_threshold([[0.5, 0.5]], [0, 1], 0.9)
    with pytest.raises(ValueError, match=r"class indices in \[0, 2\)"):
        class_set_thresholds([[0.5, 0.5]], [2], 0.9)
    with pytest.raises(ValueError, match="coverage=1"):
        set_threshold([[0.5, 0.5]], [1], 1.0)
