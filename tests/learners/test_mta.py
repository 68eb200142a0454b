"""MTA against the paper's formulas, view by view, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import MTA, ZeroShot
from promptlab.learners.mta import bandwidths, mean_shift
from tests.helpers.adapters import adapters_golden
from tests.helpers.models import tiny_clip
from tests.helpers.settings import settings_of

NAMES = ["cat", "golden_retriever", "boat"]
OWN = "a photo of a {}, a type of pet."


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def views(clip):
    """(4, 14, D): images whose views scatter more and more; 0.3 of 13 others are 3, of 14 they would be 4."""
    stream = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 1, clip.dim, generator=stream)
    noise = torch.randn(4, 14, clip.dim, generator=stream)
    return F.normalize(centres + torch.tensor([0.2, 0.5, 1.0, 2.0])[:, None, None] * noise, dim=-1)


def plain_mode(views, logits, lambda_y, lambda_q):
    """One image, in float64."""
    f, p = views.double(), logits.double().softmax(-1)
    count = len(f)
    h2 = []
    for i in range(count):
        distances = sorted(float((f[i] - f[j]).square().sum()) for j in range(count) if j != i)
        near = distances[: int(0.3 * (count - 1))]
        h2.append(0.5 * sum(near) / len(near))
    h2 = torch.tensor(h2).double()
    y, m = torch.full((count,), 1 / count).double(), f[0]
    for _ in range(5):
        d = torch.exp(-(f - m).square().sum(1) / (2 * h2))
        for _ in range(5):
            y = torch.softmax((d + lambda_q * (p @ p.T) @ y) / lambda_y, 0)
        for _ in range(5):
            d = torch.exp(-(f - m).square().sum(1) / (2 * h2))
            m = sum(d[i] * y[i] * f[i] for i in range(count))
            m = m / m.norm()
    return m.float(), y.float()


@pytest.mark.parametrize(("lambda_y", "lambda_q"), [(0.2, 4.0), (1.0, 0.5)])
def test_modes_are_the_papers(clip, views, lambda_y, lambda_q):
    learner = MTA(clip, NAMES, template=OWN, test_views=14, lambda_y=lambda_y, lambda_q=lambda_q)
    zero_shot = ZeroShot(clip, NAMES, template=OWN)
    modes, scores = mean_shift(views, zero_shot(views), lambda_y, lambda_q)
    for row, mode, score, logits in zip(views, modes, scores, learner(views), strict=True):
        expected_mode, expected_scores = plain_mode(row, zero_shot(row), lambda_y, lambda_q)
        torch.testing.assert_close(mode, expected_mode, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(score, expected_scores, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(logits, zero_shot(expected_mode[None])[0], atol=1e-4, rtol=0)
    assert (learner(views) - zero_shot(views[:, 0])).abs().max() > 0.1  # the plain view alone says something else


def test_the_scorer_and_other_classes(clip, views):
    learner = MTA(clip, NAMES, template=OWN, test_views=14)
    torch.testing.assert_close(learner.scorer()(views), learner(views))
    moved = learner.rebind(["bus", "tree"], "{} texture.")
    torch.testing.assert_close(moved(views), MTA(clip, ["bus", "tree"], template="{} texture.", test_views=14)(views))


def test_views_that_are_all_alike_are_that_view(clip, views):
    alike = views[:, :1].expand(-1, 14, -1)
    torch.testing.assert_close(
        MTA(clip, NAMES, test_views=14)(alike), ZeroShot(clip, NAMES)(views[:, 0]), atol=1e-4, rtol=0
    )


def test_the_authors_numbers():
    golden = adapters_golden()
    expected = golden.of("mta")
    learner = MTA(golden.clip, golden.names, template=golden.template, test_views=16)
    views = expected["views"].unsqueeze(0)
    mode, scores = mean_shift(views, learner.clip.logits(views, learner.text_features()), 0.2, 4.0)
    torch.testing.assert_close(bandwidths(views)[0], expected["bandwidth"].square(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(mode[0], expected["mode"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(scores[0], expected["inlierness"], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(learner(views)[0], expected["logits"], atol=1e-4, rtol=0)


def test_the_recipe_is_the_authors():
    arguments = settings_of(["learner=mta"]).learner.arguments
    assert (arguments["test_views"], arguments["lambda_y"], arguments["lambda_q"]) == (64, 0.2, 4)
    assert MTA.crop_scale == (0.08, 1.0)
