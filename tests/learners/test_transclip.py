"""TransCLIP against its formulas with dense matrices and loops, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, TransCLIP, TransCLIPFewShot, ZeroShot, transclip
from promptlab.learners.base.marks import marks_of
from promptlab.learners.transclip import GAMMAS, few_shot_mixtures, zero_shot_mixture
from tests.helpers.adapters import adapters_golden, solve
from tests.helpers.models import tiny_clip
from tests.helpers.settings import settings_of

NAMES = ["cat", "golden_retriever", "boat"]


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def data(clip):
    """Test images, shots and validation images in three clouds, and the labels of the latter two."""
    stream = torch.Generator().manual_seed(0)
    centres = torch.randn(3, clip.dim, generator=stream)

    def drawn(labels):
        return F.normalize(centres[labels] + torch.randn(len(labels), clip.dim, generator=stream), dim=-1)

    of_shots, of_val = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 1, 2, 2])
    train = Batch(drawn(of_shots).unsqueeze(1), of_shots)
    return drawn(torch.arange(15) % 3), train, Batch(drawn(of_val), of_val)


def plain_rounds(f, y, z, mu, sigma, power, neighbours, shots=(), weight=0.0, rounds=11):
    """Float64 throughout; ``shots`` are pairs of a feature and a class."""
    Q, C = y.shape
    for step in range(rounds):
        scores = torch.stack([-0.5 * ((f - mu[k]).square() / sigma).sum(1) for k in range(C)], 1)
        for _ in range(5):
            z = y**power * torch.exp((scores - scores.max() + 50 / 6 * neighbours(z)) / 50)
            z = z / z.sum(1, keepdim=True)
        if step == rounds - 1:
            break
        means = []
        for k in range(C):
            total = sum(z[i, k] * f[i] for i in range(Q)) / Q
            total = total + weight * sum((s for s, label in shots if label == k), torch.zeros_like(total))
            means.append(total / total.norm())
        mu, whole = torch.stack(means), 1 + weight * len(shots)
        sigma = sum(z[i, k] * (f[i] - mu[k]) ** 2 for i in range(Q) for k in range(C)) / Q
        sigma = (sigma + weight * sum(((s - mu[k]) ** 2 for s, k in shots), torch.zeros_like(sigma))) / whole
    return z, mu, sigma


def dense(rows, f):
    w = torch.zeros(len(rows), len(f)).double()
    for i, row in enumerate(rows):
        for j in (f @ row).argsort(descending=True)[1:4]:
            w[i, j] = f[j] @ row
    return w


def test_without_shots_it_is_the_papers(clip, data):
    f = data[0]
    learner = TransCLIP(clip, NAMES)
    y, x = learner(f).softmax(-1).double(), f.double()
    mu = []
    for k in range(3):
        surest = y[:, k].argsort(descending=True)[:8]
        mean = sum(y[i, k] * x[i] for i in surest)
        mu.append(mean / mean.norm())
    w = dense(x, x)
    start = torch.full((clip.dim,), 1 / clip.dim).double()
    z, mu, sigma = plain_rounds(x, y, y, torch.stack(mu), start, 1.0, lambda z: w.T @ z + w @ z)
    found = zero_shot_mixture(f, learner(f).softmax(-1))
    for own, expected in ((found.z, z), (found.mu, mu), (found.sigma, sigma)):
        torch.testing.assert_close(own, expected.float(), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(learner.score_together(f).softmax(-1), found.z)
    assert (found.z - y).abs().max() > 0.05  # the test images say something


def test_the_last_round_updates_the_assignments_alone(clip, data, monkeypatch):
    """Of few rounds, as after eleven nothing moves any more."""
    monkeypatch.setattr(transclip, "_ROUNDS", 2)
    f = data[0]
    y, x = TransCLIP(clip, NAMES)(f).softmax(-1), f.double()
    found, w = zero_shot_mixture(f, y), dense(x, x)
    surest = [y[:, k].topk(8) for k in range(3)]
    mu = torch.stack([F.normalize(values.double() @ x[places], dim=0) for values, places in surest])
    start = torch.full((clip.dim,), 1 / clip.dim).double()
    own = y.double()
    z, mu, sigma = plain_rounds(x, own, own, mu, start, 1.0, lambda z: w.T @ z + w @ z, rounds=2)
    for part, expected in ((found.z, z), (found.mu, mu), (found.sigma, sigma)):
        torch.testing.assert_close(part, expected.float(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("neighbours", ["paper", "released"])
def test_with_shots_it_is_the_papers(clip, data, neighbours):
    f, train, val = data
    learner = solve(TransCLIPFewShot(clip, NAMES, neighbours=neighbours), train, val)
    y, x, s = learner(f).softmax(-1).double(), f.double(), train.inputs[:, 0].double()
    v, labels, Q = torch.eye(3).double()[train.labels], train.labels.tolist(), len(f)
    of_queries, of_shots = dense(x, x), dense(s, x)

    def pull(z):
        if neighbours == "paper":
            return of_queries.T @ z + of_shots.T @ v + of_queries @ z
        w = torch.cat([of_shots, of_queries])  # as released: rows of shots first, and of z last
        return w.T @ torch.cat([z, v]) + (w @ z)[:Q]

    shots = list(zip(s, labels, strict=True))
    mu = torch.stack([sum(a for a, k in shots if k == c) for c in range(3)])
    state = (y, mu / mu.norm(dim=1, keepdim=True), torch.full((clip.dim,), 1 / clip.dim).double())
    found = few_shot_mixtures(f, learner(f).softmax(-1), train.inputs[:, 0], v.float(), neighbours)
    best, right = None, -1
    for gamma, own in zip(GAMMAS, found, strict=True):
        state = plain_rounds(x, y, *state, 0.5, pull, shots, 50 * gamma / len(s))
        torch.testing.assert_close(own.z, state[0].float(), atol=2e-5, rtol=1e-4)
        hits = sum(int(state[0][(x @ image.double()).argmax()].argmax()) == int(label)
                   for image, label in zip(val.inputs, val.labels, strict=True))  # fmt: skip
        if hits > right:
            best, right = state[0], hits
    torch.testing.assert_close(learner.score_together(f).softmax(-1), best.float(), atol=2e-5, rtol=1e-4)


def test_other_classes_have_no_shots(clip, data):
    f, train, val = data
    learner = solve(TransCLIPFewShot(clip, NAMES), train, val)
    names = ["bus", "tree"]
    expected = TransCLIP(clip, names).score_together(f)
    torch.testing.assert_close(learner.rebind(names).score_together(f), expected)
    torch.testing.assert_close(learner.extend([*NAMES, "bus"]).score_together(f),
                               TransCLIP(clip, [*NAMES, "bus"]).score_together(f))  # fmt: skip
    part, own = learner.select([2, 0]), train.labels != 1
    alone = Batch(train.inputs[own], torch.where(train.labels[own] == 2, 0, 1))
    kept = val.labels != 1
    of_val = Batch(val.inputs[kept], torch.where(val.labels[kept] == 2, 0, 1))
    two = solve(TransCLIPFewShot(clip, [NAMES[2], NAMES[0]]), alone, of_val)
    torch.testing.assert_close(part.score_together(f), two.score_together(f), atol=1e-4, rtol=1e-4)


def test_few_test_images_and_single_ones(clip, data):
    learner = TransCLIP(clip, NAMES)
    for count in (1, 2, 5):  # fewer than neighbours, or than the surest of a class
        assert learner.score_together(data[0][:count]).isfinite().all()
    torch.testing.assert_close(learner(data[0]), ZeroShot(clip, NAMES)(data[0]))
    assert marks_of(learner) == ("transductive",)


def test_validation_images_are_needed(clip, data):
    with pytest.raises(ValueError, match="there are none: give val=few or val=full"):
        solve(TransCLIPFewShot(clip, NAMES), data[1])


def queries(golden):
    """Features and labels of all test images, in the authors' order."""
    parts, order = [golden.unit("test"), golden.unit("val")], golden.expected["transclip.query_order"].long()
    return torch.cat([part.inputs for part in parts])[order], torch.cat([part.labels for part in parts])[order]


def share_right(z, labels):
    """In percent, as theirs."""
    return 100 * (z.argmax(1) == labels).float().mean()


def test_the_authors_numbers_without_shots(golden):
    expected, (f, labels) = golden.of("transclip_zs"), queries(golden)
    learner = TransCLIP(golden.clip, golden.names, template=golden.template)
    found = zero_shot_mixture(f, learner(f).softmax(-1))
    torch.testing.assert_close(found.z, expected["z"], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.mu, expected["mu"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.sigma, expected["std"], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(share_right(learner.score_together(f), labels), expected["acc"])


def test_the_authors_numbers_with_shots(golden):
    expected, (f, labels), train = golden.of("transclip_fs"), queries(golden), golden.unit("train")
    learner = TransCLIPFewShot(golden.clip, golden.names, template=golden.template)
    val = Batch(train.inputs[:, 1], train.labels)
    solve(learner, train._replace(inputs=train.inputs[:, :1]), val)
    v = torch.eye(7)[train.labels]
    found = few_shot_mixtures(f, learner(f).softmax(-1), train.inputs[:, 0], v, "released")
    closest = (val.inputs @ f.T).argmax(1)
    torch.testing.assert_close(closest, expected["neighbor_index"])
    for gamma, mixture in zip(GAMMAS, found, strict=True):
        torch.testing.assert_close(mixture.z, expected[f"gamma_{gamma}.z"], atol=1e-4, rtol=0)
        torch.testing.assert_close(share_right(mixture.z, labels), expected[f"gamma_{gamma}.test_acc"])
        of_val = share_right(mixture.z[closest], val.labels)
        torch.testing.assert_close(of_val, expected[f"gamma_{gamma}.val_acc"])
    torch.testing.assert_close(found[-1].z, expected["z_last"], atol=1e-4, rtol=0)
    torch.testing.assert_close(found[-1].mu, expected["mu"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[-1].sigma, expected["std"], atol=1e-6, rtol=1e-4)
    accuracies = torch.stack([expected[f"gamma_{gamma}.val_acc"] for gamma in GAMMAS])
    torch.testing.assert_close(accuracies.max(), expected["best_val"])
    chosen = learner.score_together(f).softmax(-1)
    torch.testing.assert_close(share_right(chosen, labels), expected["test_acc_at_best_val"])
    torch.testing.assert_close(chosen, expected[f"gamma_{GAMMAS[int(accuracies.argmax())]}.z"], atol=1e-4, rtol=0)
    rightly = few_shot_mixtures(f, learner(f).softmax(-1), train.inputs[:, 0], v, "paper")[-1]
    assert (rightly.z - expected["z_last"]).abs().max() > 0.05  # the tensors tell the two apart


def test_the_recipes():
    assert settings_of(["learner=transclip"]).learner.arguments["templates"] is None
    assert settings_of(["learner=transclip_fs"]).learner.arguments["neighbours"] == "released"
