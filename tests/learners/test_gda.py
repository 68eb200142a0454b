"""GDA against the paper's formulas written out, class by class, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import GDA, Batch, ZeroShot
from promptlab.learners.gda import ALPHAS
from tests.helpers.adapters import adapters_golden, solve
from tests.helpers.models import rule_tensor, tiny_clip

NAMES = ["cat", "golden_retriever", "sea or lake", "boat"]
OWN = "a photo of a {}, a type of pet."


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


def near(centres, labels, views, seed):
    """Unit rows (N, K, D) around the centres of their classes."""
    noise = torch.randn(len(labels), views, centres.shape[1], generator=torch.Generator().manual_seed(seed))
    return F.normalize(centres[labels].unsqueeze(1) + 0.15 * noise, dim=-1)


@pytest.fixture(scope="module")
def data(clip):
    """Training items with three views, labels unsorted, and validation items near them."""
    centres = near(torch.zeros(1, clip.dim), torch.zeros(4, dtype=torch.long), 1, seed=0)[:, 0]
    labels, truth = torch.tensor([2, 0, 1, 3, 0, 2, 1, 3, 3, 0]), torch.arange(40) % 4
    return Batch(near(centres, labels, 3, 1), labels), Batch(near(centres, truth, 1, 2)[:, 0], truth)


def plain_known(train, covariance):
    """Weight (D, C) and bias (C,) as the authors write them, in float64, without their log(1 / C)."""
    rows = train.inputs.double().flatten(0, 1)
    labels = train.labels.repeat_interleave(train.inputs.shape[1])
    classes, n, dim = int(labels.max()) + 1, len(rows), rows.shape[1]
    mus = torch.stack([rows[labels == k].mean(0) for k in range(classes)])
    if covariance == "shrunk":
        centred = torch.cat([rows[labels == k] - mus[k] for k in range(classes)])
        S = torch.cov(centred.T)
        P = dim * torch.linalg.pinv((n - 1) * S + S.trace() * torch.eye(dim))
    else:
        S = torch.stack([torch.cov(rows[labels == k].T) for k in range(classes)]).mean(0)
        P = torch.linalg.pinv(S, rtol=dim * torch.finfo(torch.float32).eps)
    return (P @ mus.T).float(), (-torch.einsum("kd,de,ke->k", mus, P, mus) / 2).float()


def plain_new(rows, texts, k=64, copies=16):
    """The same for names without images."""
    rows, texts, dim = rows.double(), texts.double(), rows.shape[1]
    mus, precisions = [], []
    for w in texts:
        nearest = rows[(rows @ w).argsort(descending=True)[:k]]
        mus.append(torch.cat([nearest, w.expand(copies, dim)]).mean(0))
        C = (nearest - w).T @ (nearest - w) / (len(nearest) - 1)
        precisions.append(dim * torch.linalg.pinv((len(nearest) - 1) * C + C.trace() * torch.eye(dim)))
    P, mus = torch.stack(precisions).mean(0), torch.stack(mus)
    return (P @ mus.T).float(), (-torch.einsum("kd,de,ke->k", mus, P, mus) / 2).float()


def plain_logits(clip, texts, images, weight, bias, alpha):
    return clip.logit_scale * images @ texts.T + alpha * (images @ weight + bias)


@pytest.mark.parametrize("covariance", ["shrunk", "within_class"])
def test_logits_are_the_papers(clip, data, covariance):
    learner = solve(GDA(clip, NAMES, template=OWN, covariance=covariance, alpha=0.7), data[0])
    weight, bias = plain_known(data[0], covariance)
    expected = plain_logits(clip, learner.text_features(), data[1].inputs, weight, bias, 0.7)
    torch.testing.assert_close(learner(data[1].inputs), expected, rtol=1e-4, atol=1e-3)


def test_other_names_are_the_papers(clip, data):
    learner = solve(GDA(clip, NAMES, template=OWN, alpha=0.7, neighbours=7, text_copies=3), data[0])
    moved = learner.rebind(["bus", "tall house"], "{} texture.")
    texts = clip.encode_texts(["bus texture.", "tall house texture."])
    weight, bias = plain_new(data[0].inputs.flatten(0, 1), texts, k=7, copies=3)
    expected = plain_logits(clip, texts, data[1].inputs, weight, bias, 0.7)
    torch.testing.assert_close(moved(data[1].inputs), expected, rtol=1e-4, atol=1e-3)


def test_a_known_class_without_images_is_a_new_one(clip, data):
    fourth = data[0].labels != 3
    train = Batch(data[0].inputs[fourth], data[0].labels[fourth])
    learner = solve(GDA(clip, NAMES, template=OWN, alpha=0.7), train)
    own, other = plain_known(train, "shrunk"), plain_new(train.inputs.flatten(0, 1), learner.text_features()[3:])
    torch.testing.assert_close(learner.weight.T, torch.cat([own[0], other[0]], 1), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(learner.bias, torch.cat([own[1], other[1]]), rtol=1e-4, atol=1e-3)


def test_own_classes_keep_their_gaussians_among_others(clip, data):
    learner = solve(GDA(clip, NAMES, template=OWN, alpha=0.7), data[0])
    joint = learner.extend([NAMES[2], "bus"], OWN)
    torch.testing.assert_close(joint.weight[0], learner.weight[2])
    torch.testing.assert_close(joint(data[1].inputs)[:, 0], learner(data[1].inputs)[:, 2], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_search_takes_the_first_of_equals(clip, data, noise):
    train, val = data
    stream = torch.Generator().manual_seed(2)
    val = val._replace(inputs=F.normalize(val.inputs + noise * torch.randn(val.inputs.shape, generator=stream), dim=-1))
    learner = solve(GDA(clip, NAMES, template=OWN), train, val)
    weight, bias = plain_known(train, "shrunk")
    best, best_alpha = 0, 0.1
    for alpha in (0.0001, 0.001, 0.01, 0.1, 1, 10, 100):
        logits = plain_logits(clip, learner.text_features(), val.inputs, weight, bias, alpha)
        accuracy = (logits.argmax(1) == val.labels).float().mean()
        if accuracy > best:
            best, best_alpha = accuracy, alpha
    assert best_alpha not in (0.0001, 0.1)  # it isn't where a search that finds nothing ends
    assert float(learner.alpha) == pytest.approx(best_alpha)


def test_where_nothing_is_ever_right_the_weight_stays(clip, data):
    val = data[1]._replace(labels=torch.full_like(data[1].labels, -1))
    assert float(solve(GDA(clip, NAMES), data[0], val).alpha) == pytest.approx(0.1)


def test_without_spread_it_is_zero_shot(clip, data):
    """One row a class says nothing of a covariance: both precisions are zero."""
    train = Batch(data[0].inputs[:4, :1], torch.arange(4))
    for covariance in ("shrunk", "within_class"):
        learner = solve(GDA(clip, NAMES, template=OWN, covariance=covariance, alpha=1.0), train)
        torch.testing.assert_close(learner(data[1].inputs), ZeroShot(clip, NAMES, template=OWN)(data[1].inputs))


def test_no_validation_images_are_named(clip, data):
    with pytest.raises(ValueError, match=r"val=few or val=full, or a value for learner\.alpha"):
        solve(GDA(clip, NAMES), data[0])


def test_the_authors_numbers(golden):
    expected = golden.of("gda")
    learner = GDA(golden.clip, golden.names, template=golden.template)
    solve(learner, golden.unit("train"), golden.unit("val"))
    torch.testing.assert_close(learner.weight.T, expected["W"], rtol=0, atol=1e-5 * float(expected["W"].abs().max()))
    torch.testing.assert_close(learner.bias, expected["b"] + torch.tensor(7.0).log(), rtol=1e-4, atol=1e-4)
    assert float(learner.alpha) == pytest.approx(float(expected["best_alpha"]))
    assert accuracies(learner, golden.unit("val")) == pytest.approx(expected["val_accs"].flatten().tolist(), abs=1e-2)
    shift = learner.alpha * torch.tensor(7.0).log()  # their log(1 / C), equal for all classes
    found = learner(golden.unit("test").inputs)
    torch.testing.assert_close(found, expected["test_logits"] + shift, rtol=0, atol=1e-3)


def accuracies(learner, val):
    """In percent, by each weight that the search tries."""
    found = []
    for alpha in ALPHAS:
        learner = learner.copied()
        learner.alpha = torch.tensor(alpha)
        found.append(100 * float((learner(val.inputs).argmax(-1) == val.labels).float().mean()))
    return found


class Given:
    """Text features by rule in place of a text tower's."""

    def __init__(self, features, others=None):
        self.features, self.others = features, others

    def select(self, class_indices):
        return Given(self.features[list(class_indices)], self.others)

    def rebind(self, class_names, template):
        return Given(self.others)


def test_the_authors_numbers_on_new_classes(golden):
    def drawn(name, *shape):
        return rule_tensor(name, shape, golden.salt, 1.0)

    def features(name, classes, items, views):
        item, view = (
            drawn(f"gda.{name}.item", len(classes), items, 1, 512),
            drawn(f"gda.{name}", len(classes), items, views, 512),
        )
        centres = text[classes] + 2 * spread[classes] / 512**0.5
        return F.normalize(centres[:, None, None] + 3 * item / 512**0.5 + 0.5 * view / 512**0.5, dim=-1).flatten(0, 1)

    text = F.normalize(drawn("gda.text", 7, 512) + 3 * drawn("gda.text.mean", 1, 512), dim=-1)
    spread, base, new = drawn("gda.class", 7, 512), torch.arange(4), torch.arange(4, 7)
    train = Batch(features("train", base, 8, 3), base.repeat_interleave(8))
    val = Batch(features("val", base, 5, 1)[:, 0], base.repeat_interleave(5))
    expected = golden.of("gda_b2n")
    clip = tiny_clip(embed_dim=512)
    clip.model.logit_scale.data.fill_(torch.tensor(100.0).log())
    learner = GDA(clip, golden.names[:4], covariance="within_class")
    learner.texts = Given(text[:4], text[4:])
    solve(learner, train, val)
    assert float(learner.alpha) == pytest.approx(float(expected["best_alpha"]))
    torch.testing.assert_close(learner.weight.T, expected["W"], rtol=0, atol=2e-4 * float(expected["W"].abs().max()))
    torch.testing.assert_close(learner.bias - torch.tensor(4.0).log(), expected["b"].flatten(), rtol=1e-3, atol=1e-3)
    found = learner(features("test", base, 4, 1)[:, 0]) - learner.alpha * torch.tensor(4.0).log()
    torch.testing.assert_close(found, expected["base_test_logits"], rtol=0, atol=1e-3)
    moved = learner.rebind(golden.names[4:])
    torch.testing.assert_close(moved.weight.T, expected["W_new"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moved.bias - torch.tensor(3.0).log(), expected["b_new"].flatten(), rtol=1e-4, atol=1e-4)
    found = moved(features("new", new, 6, 1)[:, 0]) - learner.alpha * torch.tensor(3.0).log()
    torch.testing.assert_close(found, expected["new_test_logits"], rtol=0, atol=1e-3)
