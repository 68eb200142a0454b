"""The linear probe against ``lpclip`` written out with scikit-learn (P27), and its edges."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from promptlab.learners import Batch, LinearProbe
from promptlab.learners.linear_probe import search_c
from tests.helpers.adapters import solve
from tests.helpers.models import tiny_clip

NAMES = ["cat", "dog", "tree"]


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def arrays(seed, noise, classes=3):
    """Sixty training and sixty validation rows around a centre per class, labels in turn."""
    stream = np.random.RandomState(seed)
    centres, labels = stream.standard_normal((classes, 48)), np.arange(60) % classes

    def rows():
        return (centres[labels] + noise * stream.standard_normal((60, 48))).astype(np.float32)

    return rows(), rows(), labels


def lpclip_path(train, val, labels, steps=8):
    """``linear_probe.py`` of CoOp: the C that each part of the search kept, and the last classifier."""

    def fitted(c):
        clf = LogisticRegression(solver="lbfgs", max_iter=1000, C=c).fit(train, labels)
        return clf, sum(clf.predict(val) == labels) / len(labels)

    search_list = [1e6, 1e4, 1e2, 1, 1e-2, 1e-4, 1e-6]
    peak = search_list[np.argmax([fitted(c)[1] for c in search_list])]
    path = [peak]
    c_left, c_right = 1e-1 * peak, 1e1 * peak
    for _ in range(steps):
        clf_left, acc_left = fitted(c_left)
        clf_right, acc_right = fitted(c_right)
        if acc_left < acc_right:
            c_final, clf_final = c_right, clf_right
            c_left = 0.5 * (np.log10(c_right) + np.log10(c_left))
            c_right = np.log10(c_right)
        else:
            c_final, clf_final = c_left, clf_left
            c_right = 0.5 * (np.log10(c_right) + np.log10(c_left))
            c_left = np.log10(c_left)
        c_left, c_right = np.power(10, c_left), np.power(10, c_right)
        path.append(c_final)
    return path, clf_final


@pytest.mark.parametrize(("seed", "noise"), [(0, 1.0), (1, 3.0), (2, 5.0), (3, 5.0)])
def test_the_path_is_lpclips(seed, noise):
    """P27: the same C at every step, the same classifier at the end.

    In float64: in float32 the solver stops short under small C, and where depends on a bit of C and on the processor.
    """
    train, val, labels = arrays(seed, noise)
    train, val = train.astype(np.float64), val.astype(np.float64)
    path = search_c(
        lambda c: LogisticRegression(solver="lbfgs", max_iter=1000, C=c).fit(train, labels),
        lambda clf: sum(clf.predict(val) == labels) / len(labels),
    )
    expected, last = lpclip_path(train, val, labels)
    assert [step.c for step in path] == pytest.approx(expected, rel=1e-9)
    assert len(path) == 9
    np.testing.assert_allclose(path[-1].classifier.predict_proba(val), last.predict_proba(val), atol=1e-4)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (lambda c: 0.5, [1e6] + [1e5] * 3),  # all equal: the first power, then the left end
        (lambda c: -abs(np.log10(c) - 0.9), [1, 10, 10, 10]),  # right end wins and stays
        (lambda c: -abs(np.log10(c) - 0.1), [1, 10, 1, 1]),  # powers (-1, 1), (0, 1), (0, 0.5)
        (lambda c: -abs(np.log10(c) - 0.4), [1, 10, 1, 10**0.5]),  # powers (-1, 1), (0, 1), (0, 0.5)
    ],
)
def test_the_path_by_hand(score, expected):
    assert [step.c for step in search_c(lambda c: c, score, steps=3)] == pytest.approx(expected)


def test_no_end_is_fitted_twice():
    asked = []
    search_c(lambda c: asked.append(c) or c, lambda c: -abs(np.log10(c) - 0.3))
    assert len(asked) == 7 + 2 + 7
    assert len(set(asked[7:])) == 2 + 7


def batches(clip, classes=3, views=1, noise=0.3, seed=0):
    centres = F.normalize(torch.randn(classes, clip.dim, generator=torch.Generator().manual_seed(seed)), dim=-1)
    stream = torch.Generator().manual_seed(seed + 1)
    labels = torch.arange(8 * classes) % classes
    items = centres[labels].unsqueeze(1) + noise * torch.randn(len(labels), views, clip.dim, generator=stream)
    val = centres[labels] + noise * torch.randn(len(labels), clip.dim, generator=stream)
    return Batch(F.normalize(items, dim=-1), labels), Batch(F.normalize(val, dim=-1), labels)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("views", [1, 4])
def test_probabilities_are_scikit_learns(clip, classes, views):
    """Also of two classes, for which scikit-learn has one row of weights; every view is a row of the fit."""
    train, val = batches(clip, classes, views)
    learner = solve(LinearProbe(clip, NAMES[:classes], c=50.0), train, None)
    assert (learner.weight.shape, learner.bias.shape) == ((classes, clip.dim), (classes,))
    rows = np.concatenate([item.numpy() for item in train.inputs]).astype(np.float64)
    labels = np.repeat(train.labels.numpy(), views)
    expected = LogisticRegression(C=50.0, max_iter=1000).fit(rows, labels).predict_proba(val.inputs.numpy())
    np.testing.assert_allclose(learner(val.inputs).softmax(-1).numpy(), expected, atol=1e-5)


def test_the_search_chooses_on_validation_items(clip):
    train, val = batches(clip, noise=0.35)
    learner = solve(LinearProbe(clip, NAMES), train, val)
    arguments = train.inputs[:, 0].double().numpy(), val.inputs.double().numpy(), train.labels.numpy()
    expected = lpclip_path(*arguments)[1].predict_proba(arguments[1])
    np.testing.assert_allclose(learner(val.inputs).softmax(-1).numpy(), expected, atol=1e-4)
    other = solve(LinearProbe(clip, NAMES), train, val._replace(labels=(val.labels + 1) % 3))
    assert not torch.allclose(other.weight, learner.weight)


def test_what_can_not_be_solved_is_named(clip):
    train, val = batches(clip)
    with pytest.raises(ValueError, match=r"val=few or val=full, or a value for learner\.c"):
        solve(LinearProbe(clip, NAMES), train, None)
    for absent, message in (([2], r"'tree' \(1 of 3 classes\)"), ([1, 2], r"'dog', 'tree' \(2 of 3 classes\)")):
        keep = ~torch.isin(train.labels, torch.tensor(absent))
        with pytest.raises(ValueError, match=f"no training images of {message}"):
            solve(LinearProbe(clip, NAMES), Batch(train.inputs[keep], train.labels[keep]), val)


@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        (NAMES[:1], {}, "one class, 'cat'"),
        (NAMES, {"c": 0.0}, "c=0.0"),
        (NAMES, {"steps": 0}, r"steps=0\): a whole number from 1"),
        (NAMES, {"max_iter": 0}, r"max_iter=0\): a whole number from 1"),
    ],
)
def test_bad_arguments_are_named(clip, names, arguments, message):
    with pytest.raises(ValueError, match=message):
        LinearProbe(clip, names, **arguments)


def test_no_parameters_and_what_is_saved(clip):
    learner = LinearProbe(clip, NAMES)
    assert not list(learner.parameters())
    assert learner.state_dict().keys() == {"weight", "bias"}


def test_an_early_end_of_l_bfgs_is_logged_and_no_warning(clip, caplog, recwarn):
    rows, _, labels = arrays(seed=0, noise=1.0)
    train = Batch(torch.from_numpy(rows).unsqueeze(1), torch.from_numpy(labels))
    learner = LinearProbe(clip, NAMES, c=1e6, max_iter=1)
    with caplog.at_level("INFO", logger="promptlab"):
        learner.fit_plan()[0].solve(train, None)
    assert "stopped after 1 iterations" in caplog.text
    assert not [warning for warning in recwarn if "onverge" in str(warning.message)]
