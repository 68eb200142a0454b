"""LP++ against the released loop written out with autograd, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, LPPlusPlus
from promptlab.learners.lp_plus_plus import steps_of
from tests.helpers.adapters import adapters_golden, solve
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "boat"]
OWN = "a photo of a {}, a type of pet."


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


def rows(clip, labels, views, seed):
    stream = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(len(labels), views, clip.dim, generator=stream)
    return F.normalize(centres[labels].unsqueeze(1) + 2 * noise, dim=-1)


@pytest.fixture(scope="module")
def data(clip):
    """Unequal classes, labels unsorted, two views; and validation items."""
    labels, truth = torch.tensor([2, 0, 1, 2, 0, 2, 1]), torch.arange(30) % 3
    return Batch(rows(clip, labels, 2, 1), labels), Batch(rows(clip, truth, 1, 2)[:, 0], truth)


def plain(learner, train, val, epochs, *, clear):
    """The authors' loop: SGD on a linear layer, alpha by hand, the latest best epoch."""
    x, y = train.inputs.flatten(0, 1), train.labels.repeat_interleave(train.inputs.shape[1])
    t, classes, n = learner.text_features(), len(NAMES), len(x)
    layer = torch.nn.Linear(x.shape[1], classes)
    layer.weight.data = torch.stack([train.inputs.mean(1)[train.labels == k].sum(0) for k in range(classes)])
    layer.bias.data = learner._bias_start.clone()
    own = [(train.inputs.mean(1)[train.labels == k] @ t[k]).mean() for k in range(classes)]
    alpha = torch.full((classes,), float(250 * torch.stack(own).mean()), requires_grad=True)
    lr = 4 * n / float(torch.linalg.eigvalsh((x.T @ x).double())[-1])
    lr_alpha = n / (4 * max(float((x @ t[k]).square().sum()) for k in range(classes)))
    optimiser = torch.optim.SGD(layer.parameters(), lr, momentum=0.9)
    best, kept, last = -1, None, None
    for epoch in range(epochs):
        loss = F.cross_entropy(layer(x) + x @ (alpha[:, None] * t).T, y)
        optimiser.zero_grad()
        if clear and alpha.grad is not None:
            alpha.grad.zero_()
        loss.backward()
        optimiser.step()
        if (epoch + 1) % 10 == 0:
            alpha.data -= lr_alpha * alpha.grad
        with torch.no_grad():
            hits = int(((layer(val.inputs) + val.inputs @ (alpha[:, None] * t).T).argmax(1) == val.labels).sum())
            last = layer.weight.clone(), layer.bias.clone(), alpha.clone()
        if hits >= best:
            best, kept = hits, (epoch, *last)
    return kept, last


@pytest.mark.parametrize("gradient", ["accumulated", "current"])
@pytest.mark.parametrize("choose", [True, False])
def test_the_descent_is_the_papers(clip, data, gradient, choose):
    learner = LPPlusPlus(clip, NAMES, template=OWN, epochs=45, alpha_gradient=gradient, choose_epoch=choose,
                         generator=torch.Generator().manual_seed(4))  # fmt: skip
    solve(learner, *data)
    (epoch, *kept), last = plain(learner, *data, 45, clear=gradient == "current")
    assert 0 < epoch < 44  # the choice matters
    for name, expected in zip(("weight", "bias", "alpha"), kept if choose else last, strict=True):
        torch.testing.assert_close(getattr(learner, name), expected, rtol=1e-4, atol=1e-5)
    expected = data[1].inputs @ (learner.weight + learner.alpha[:, None] * learner.text_features()).T + learner.bias
    torch.testing.assert_close(learner(data[1].inputs), expected)


def test_of_equal_epochs_the_last_is_kept(clip, data):
    """Validation images that are right from the first epoch on."""
    largest = data[0].labels == 2
    easy = Batch(F.normalize(data[0].inputs[largest].mean(1), dim=-1), data[0].labels[largest])
    chosen, last = (
        solve(LPPlusPlus(clip, NAMES, epochs=20, choose_epoch=choose), data[0], easy) for choose in (True, False)
    )
    first = solve(LPPlusPlus(clip, NAMES, epochs=1, choose_epoch=False), data[0])
    assert (first(easy.inputs).argmax(-1) == easy.labels).all()
    assert not torch.equal(first.weight, last.weight)
    torch.testing.assert_close(chosen.weight, last.weight)


def test_the_two_gradients_are_two_methods(clip, data):
    alphas = [
        solve(LPPlusPlus(clip, NAMES, epochs=40, alpha_gradient=kind, choose_epoch=False), data[0]).alpha
        for kind in ("accumulated", "current")
    ]
    assert (alphas[0] - alphas[1]).abs().max() > 1e-3


def test_the_bias_starts_within_its_bounds_and_by_the_generator(clip):
    first, again, other = (
        LPPlusPlus(clip, [f"class {i}" for i in range(500)], generator=torch.Generator().manual_seed(seed))._bias_start
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)
    assert 0.95 * clip.dim**-0.5 < first.abs().max() <= clip.dim**-0.5


def test_what_is_missing_is_named(clip, data):
    with pytest.raises(ValueError, match=r"val=few or val=full, or learner\.choose_epoch=false"):
        solve(LPPlusPlus(clip, NAMES), data[0])
    with pytest.raises(ValueError, match="LPPlusPlus has no training images of 'bird'"):
        solve(LPPlusPlus(clip, [*NAMES, "bird"], choose_epoch=False), data[0])


@pytest.mark.parametrize("epochs", [1, 3, 10, 11, 20, 60])
def test_the_authors_numbers(golden, epochs):
    expected, train = golden.of("lpp"), golden.unit("train")
    learner = LPPlusPlus(golden.clip, golden.names, template=golden.template, epochs=epochs, choose_epoch=False)
    learner._bias_start = golden.drawn("classifier.bias", (7,), 48**-0.5)
    solve(learner, train._replace(inputs=train.inputs[:, :1]))
    for name in ("weight", "bias", "alpha"):
        after = expected[f"after_{epochs}.{name}"]
        torch.testing.assert_close(getattr(learner, name), after, rtol=0, atol=2e-5 * float(after.abs().max()))


def test_the_authors_start_and_losses(golden):
    """The gradient that a first epoch follows is what it changes, by the size of its steps."""
    expected, train = golden.of("lpp"), golden.unit("train")
    train, rows = train._replace(inputs=train.inputs[:, :1]), train.inputs[:, 0]
    learner = LPPlusPlus(golden.clip, golden.names, template=golden.template, epochs=60)
    learner._bias_start = golden.drawn("classifier.bias", (7,), 48**-0.5)
    steps = learner._start(train)
    for name in ("weight", "bias", "alpha"):
        start = expected[f"init_{name}"].expand_as(getattr(learner, name)).float()
        torch.testing.assert_close(getattr(learner, name), start, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(learner(rows), expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(F.cross_entropy(learner(rows), train.labels), expected["loss"], atol=1e-5, rtol=1e-5)
    losses, before = [], {name: getattr(learner, name).clone() for name in ("weight", "bias")}
    logits = learner(rows)
    for _ in learner._epochs(train, steps):
        losses.append(F.cross_entropy(logits, train.labels))
        for name, start in before.items():
            gradient, theirs = (start - getattr(learner, name)) / steps.of_weight, expected[f"grad.{name}"]
            torch.testing.assert_close(gradient, theirs, atol=2e-5 * float(theirs.abs().max()), rtol=0)
        before, logits = {}, learner(rows)
    torch.testing.assert_close(torch.stack(losses), expected["losses"], atol=1e-5, rtol=1e-4)


def test_the_authors_start_and_choice(golden):
    expected, train = golden.of("lpp"), golden.unit("train")
    train = train._replace(inputs=train.inputs[:, :1])
    learner = LPPlusPlus(golden.clip, golden.names, template=golden.template, epochs=60)
    learner._bias_start = golden.drawn("classifier.bias", (7,), 48**-0.5)
    steps = steps_of(train.inputs[:, 0], learner.text_features())
    assert steps.of_weight == pytest.approx(float(expected["lr_w"]), rel=1e-5)
    assert steps.of_alpha == pytest.approx(float(expected["lr_alpha"]), rel=1e-5)
    solve(learner, train, golden.unit("val"))
    found = learner(golden.unit("test").inputs)
    torch.testing.assert_close(found, expected["test_logits_at_best"], rtol=0, atol=1e-4)
