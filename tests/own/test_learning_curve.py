"""Whether more pictures help is told apart from whether they don't, and copies don't pretend."""

import numpy as np

from promptlab.own.learning_curve import learning_curve


def clouds(n_classes, each, spread, seed=0, dim=24):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_classes * each) % n_classes
    features = rng.normal(size=(n_classes, dim))[labels] + spread * rng.normal(size=(len(labels), dim))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


def test_hard_classes_still_rise():
    features, labels = clouds(6, 32, 1.8)
    curve = learning_curve(features, labels, np.arange(len(labels)))
    assert curve.still_rises
    assert curve.points[-1].accuracy > curve.points[0].accuracy + 0.1
    assert [point.most for point in curve.points][:4] == [1, 2, 4, 8]
    assert curve.points[curve.half].most == 8


def test_easy_classes_have_levelled_off():
    features, labels = clouds(4, 24, 0.1)
    curve = learning_curve(features, labels, np.arange(len(labels)))
    assert curve.points[-1].accuracy == 1
    assert not curve.still_rises


def test_copies_stay_on_one_side():
    features, labels = clouds(2, 12, 5.0)
    twice, both = np.concatenate([features, features]), np.concatenate([labels, labels])
    alone = learning_curve(twice, both, np.arange(len(both)))
    together = learning_curve(twice, both, np.tile(np.arange(len(labels)), 2))
    assert alone.points[-1].accuracy > together.points[-1].accuracy + 0.1


def test_one_picture_a_class_has_no_curve():
    features, labels = clouds(3, 1, 0.1)
    assert learning_curve(features, labels, np.arange(3)) is None


def test_the_last_point_is_what_was_trained_on():
    """Two pictures a class: each is held out once, so no class ever trains on two."""
    features, labels = clouds(10, 2, 1.0)
    curve = learning_curve(features, labels, np.arange(20))
    assert [(point.most, point.mean) for point in curve.points] == [(1, 1.0)]
