import numpy as np
import pytest

from promptlab.evaluation.temperature import LEAST, MOST, fit_temperature


def nll(logits, labels, temperature):
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_probabilities[np.arange(len(labels)), labels].mean()


def drawn(images, classes, temperature, seed=0):
    """Logits whose softmax after the temperature is what the labels were drawn by."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, classes)) * 3
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    labels = np.array([generator.choice(classes, p=row / row.sum()) for row in shifted])
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_it_is_what_a_search_over_a_grid_finds(temperature):
    logits, labels = drawn(300, 5, temperature)
    grid = np.exp(np.linspace(np.log(LEAST), np.log(MOST), 4001))
    best = grid[np.argmin([nll(logits, labels, value) for value in grid])]
    found = fit_temperature(logits.astype(np.float32), labels)
    assert found == pytest.approx(best, rel=2e-3)
    assert nll(logits, labels, found) <= nll(logits, labels, best) + 1e-9
    assert found == pytest.approx(temperature, rel=0.2)


def test_it_finds_what_made_the_probabilities_wrong():
    logits, labels = drawn(20_000, 4, 2.5)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.03)


def test_large_logits_overflow_nothing():
    logits, labels = drawn(200, 3, 1.0)
    assert fit_temperature(logits * 1e3 + 1e6, labels) == pytest.approx(MOST)
    assert fit_temperature(logits * 10 + 1e6, labels) == pytest.approx(10 * fit_temperature(logits, labels), rel=1e-5)


@pytest.mark.parametrize("images", [1, 5, 50])
def test_pictures_that_are_all_right_are_as_sure_as_laplace_says(images):
    logits = np.eye(3)[np.arange(images) % 3] * np.linspace(3, 5, images)[:, None]
    labels = np.arange(images) % 3
    found = fit_temperature(logits, labels)
    scaled = np.exp(logits / found)
    own = (scaled / scaled.sum(1, keepdims=True))[np.arange(images), labels]
    assert own.mean() == pytest.approx((images + 1) / (images + 2), abs=1e-6)


def test_a_draw_for_the_first_place_ends_at_a_bound():
    assert fit_temperature([[1.0, 1.0], [5.0, 0.0]], [0, 0]) == pytest.approx(LEAST)


def test_what_is_always_wrong_ends_at_the_other_bound():
    assert fit_temperature([[9.0, 0.0], [9.0, 0.0]], [1, 1]) == pytest.approx(MOST, rel=1e-4)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [(np.empty((0, 3)), np.empty(0, int)), ([[7.0], [2.0]], [0, 0]), (np.full((4, 3), 2.0), [0, 1, 2, 0])],
    ids=["no pictures", "one class", "all alike"],
)
def test_what_says_nothing_changes_nothing(logits, labels):
    assert fit_temperature(logits, labels) == 1.0


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[1.0, 2.0]], [0, 1], r"got \(1, 2\) and \(2,\)"),
        ([[1.0, 2.0]], [2], r"class indices in \[0, 2\)"),
        ([[1.0, 2.0]], [0.0], "class indices"),
        ([[1.0, np.nan]], [0], "NaN or infinities"),
    ],
)
def test_what_does_not_fit_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)
