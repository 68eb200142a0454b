"""ZLaP against its formula with dense matrices and loops, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, ZeroShot, ZLaP, ZLaPInductive
from promptlab.learners.base.marks import marks_of
from promptlab.learners.zlap import edges, propagated
from tests.helpers.adapters import adapters_golden
from tests.helpers.models import tiny_clip
from tests.helpers.prompts_golden import close
from tests.helpers.settings import settings_of

NAMES = ["cat", "golden_retriever", "boat", "tree"]
SETTING = {"neighbours": 3, "gamma": 2.0, "alpha": 0.6}


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def images(clip):
    """Near the texts and each other, some cosines below 0: (12, D) of a graph and (5, D) of tests."""
    stream = torch.Generator().manual_seed(0)
    texts = ZeroShot(clip, NAMES).texts.features
    noise = torch.randn(17, clip.dim, generator=stream)
    return F.normalize(texts[torch.arange(17) % 4] + 1.5 * F.normalize(noise, dim=-1), dim=-1).split([12, 5])


def given(learner, images, views=1):
    """The learner with its images, each as often as it has views."""
    (stage,) = learner.fit_plan()
    unlabelled = images.unsqueeze(1).expand(-1, views, -1)
    stage.solve(Batch(torch.zeros(0), torch.zeros(0), unlabelled=unlabelled), None)
    return learner


def plain_edges(f, images, texts, neighbours, gamma):
    """Of one image, (C + n,) in float64."""
    weights = torch.zeros(len(texts) + len(images)).double()
    of_texts, of_images = texts @ f, images @ f
    for c in of_texts.argsort(descending=True)[:neighbours]:
        weights[c] = max(of_texts[c], 0) ** gamma
    for i in of_images.argsort(descending=True)[:neighbours]:
        weights[len(texts) + i] = max(of_images[i], 0)
    return weights


def plain_scores(images, texts, neighbours, gamma, alpha):
    """(C + n, C) by a dense inverse."""
    C, nodes = len(texts), len(texts) + len(images)
    S = torch.zeros(nodes, nodes).double()
    for i, f in enumerate(images):
        S[C + i] = plain_edges(f, images, texts, neighbours, gamma)
    W = S + S.T
    W.fill_diagonal_(0)
    roots = W.sum(1).sqrt()
    V = torch.tensor([[W[a, b] / (roots[a] * roots[b]) if W[a, b] else 0 for b in range(nodes)] for a in range(nodes)])
    return torch.linalg.inv(torch.eye(nodes).double() - alpha * V.double())[:, :C]


def test_test_images_are_scored_together_as_in_the_paper(clip, images):
    learner, f = ZLaP(clip, NAMES, **SETTING), images[0]
    expected = plain_scores(f.double(), learner.text_features().double(), **SETTING)[4:]
    torch.testing.assert_close(learner.score_together(f).exp(), expected.float(), atol=1e-7, rtol=1e-4)
    alone = learner(f).softmax(-1)
    assert (alone.argmax(1) != expected.argmax(1)).any()  # the test images say something


@pytest.mark.parametrize("sparse", [False, True])
def test_a_test_image_is_scored_by_a_system_of_its_own(clip, images, sparse):
    """As the paper has it: the image's edges are the right side, its scores the texts' entries."""
    graph, tests = images
    learner = given(ZLaPInductive(clip, NAMES, **SETTING, sparse=sparse), graph)
    texts, f = learner.text_features().double(), graph.double()
    x = plain_scores(f, texts, **SETTING)
    if sparse:
        x = torch.stack([torch.where(row == row.max(), row, 0) for row in x])
    for image, logits in zip(tests, learner(tests), strict=True):
        own = plain_edges(image.double(), f, texts, 3, 2.0)
        expected = sum(own[node] * x[node] for node in range(len(x)))
        torch.testing.assert_close(logits.softmax(-1), (expected / expected.sum()).float(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(learner.scorer()(tests), learner(tests))


def test_views_of_an_image_are_one_node(clip, images):
    one, several = (given(ZLaPInductive(clip, NAMES), images[0], views) for views in (1, 3))
    torch.testing.assert_close(one(images[1]), several(images[1]))


def test_some_classes_are_columns_and_other_names_another_graph(clip, images):
    graph, tests = images
    learner = given(ZLaPInductive(clip, NAMES), graph)
    torch.testing.assert_close(learner.select([2, 0]).select([1])(tests), learner(tests)[:, [0]])
    names = ["bus", "train"]
    moved = given(ZLaPInductive(clip, names, template="{} texture."), graph)
    torch.testing.assert_close(learner.select([1]).rebind(names, "{} texture.")(tests), moved(tests))
    wider = given(ZLaPInductive(clip, [*NAMES, "bus"]), graph)
    torch.testing.assert_close(learner.extend([*NAMES, "bus"])(tests), wider(tests))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images(clip, images, count):
    """Fewer than neighbours; without any the nearest texts alone count."""
    learner = given(ZLaPInductive(clip, NAMES, neighbours=2), images[0][:count])
    assert learner(images[1]).isfinite().all()
    assert ((learner(images[1]) > -80).sum(1) == 2).all() == (count == 0)
    assert ZLaP(clip, NAMES).score_together(images[0][: count + 1]).isfinite().all()


def test_what_sets_their_results_apart(clip, images):
    assert marks_of(ZLaP(clip, NAMES)) == ("transductive",)
    assert marks_of(ZLaPInductive(clip, NAMES)) == ("unlabelled images",)
    torch.testing.assert_close(ZLaP(clip, NAMES)(images[1]), ZeroShot(clip, NAMES)(images[1]))  # single pictures


def test_the_authors_numbers_for_test_images_together(golden):
    learner, tests = ZLaP(golden.clip, golden.names, template=golden.template), golden.unit("test").inputs
    found = propagated(tests, learner.text_features(), 5, 5.0, 0.3)[len(golden.names) :]
    close(found, golden.expected["zlap.transductive"], 1e-4)
    close(learner.score_together(tests).exp(), golden.expected["zlap.transductive"], 1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_authors_numbers_over_other_images(golden, sparse):
    learner = ZLaPInductive(golden.clip, golden.names, template=golden.template, sparse=sparse)
    given(learner, golden.unit("train").inputs[:, 0])
    expected = golden.expected["zlap.sparse_inductive" if sparse else "zlap.inductive"]
    close(learner(golden.unit("test").inputs).exp(), expected, 1e-4)


def test_edges_are_to_the_nearest_alone(clip, images):
    found = edges(images[1], images[0], ZeroShot(clip, NAMES).texts.features, 2, 5.0).to_dense()
    assert found.shape == (5, 4 + 12)
    assert ((found[:, :4] > 0).sum(1) <= 2).all()
    assert ((found[:, 4:] > 0).sum(1) == 2).all()


def test_what_points_away_has_no_edge():
    texts = torch.eye(3)[:2]
    found = edges(-texts, texts, texts, 2, 3.0).to_dense()
    assert torch.equal(found, torch.zeros(2, 4))


@pytest.mark.parametrize("name", ["zlap", "zlap_inductive"])
def test_the_recipe_is_the_codes(name):
    arguments = settings_of([f"learner={name}"]).learner.arguments
    assert (arguments["neighbours"], arguments["gamma"], arguments["alpha"]) == (5, 5.0, 0.3)
    assert not arguments.get("sparse")
