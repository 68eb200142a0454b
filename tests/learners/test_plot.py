"""PLOT against its formula by hand, and against what the authors' code computed; the regions of both towers."""

import math

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from promptlab.learners import PLOT, Batch
from promptlab.learners.plot import transport
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, close_to_kept, prompts_golden, steps_held
from tests.helpers.settings import settings_of

NAMES = class_names(3)


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("plot")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.mark.parametrize("case", ["plot", "plot.imagenet"])
def test_the_authors_numbers(golden, case):
    expected = golden.of(case)
    learner = PLOT(golden.clip, golden.names, n_ctx=4, add_global=case == "plot.imagenet")
    learner.ctx.data = golden.drawn("ctx", (4, 4, 96), 0.02)
    learner.regions = lambda rows: F.normalize(rows, dim=-1)  # in place of the image tower
    batch = Batch(golden.drawn("image_features_local", (10, 6, 48), 1.0).transpose(0, 1), golden.labels)
    texts = learner.prompt_features()
    close(texts.detach(), golden.of("plot")["raw_text_features"], 1e-5)
    regions = learner.regions(batch.inputs)
    similarities = torch.einsum("brd,pcd->bcrp", regions[:, 1:], F.normalize(texts, dim=-1))
    close(transport(similarities, together=True).flatten(0, 1), golden.of("plot")["plan"], 1e-4)
    found = learner._logits(regions, texts, together=True)
    torch.testing.assert_close(found, expected["logits"], atol=1e-4, rtol=0)
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    close_to_kept(torch.autograd.grad(loss, learner.ctx)[0], expected, "grad.ctx", 1e-4)
    optim = learner.optim.__class__(schedule="constant", warmup_epochs=0, epochs=1)
    steps_held(learner, optim, batch, {"ctx": "ctx_after_3_steps"}, expected, 1e-4)


def by_hand(similarities):
    """One image and class after the other: the plan, each image by its own mean change."""
    B, C, R, P = similarities.shape
    plans = torch.zeros_like(similarities)
    for i in range(B):
        K = [[[math.exp(-(1 - float(s)) / 0.1) for s in row] for row in of_class] for of_class in similarities[i]]
        u, v = [[1.0] * R for _ in range(C)], [[1.0] * P for _ in range(C)]
        for _ in range(100):
            before = [list(of_class) for of_class in u]
            for c in range(C):
                u[c] = [1 / R / sum(K[c][r][p] * v[c][p] for p in range(P)) for r in range(R)]
                v[c] = [1 / P / sum(K[c][r][p] * u[c][r] for r in range(R)) for p in range(P)]
            if sum(abs(u[c][r] - before[c][r]) for c in range(C) for r in range(R)) / (C * R) < 0.01:
                break
        for c in range(C):
            for r in range(R):
                plans[i, c, r] = torch.tensor([u[c][r] * K[c][r][p] * v[c][p] for p in range(P)])
    return plans


@pytest.mark.parametrize("add_global", [False, True])
def test_scores_are_the_formulas(clip, add_global):
    learner = PLOT(clip, NAMES, n_prompts=2, n_ctx=3, add_global=add_global)
    learner.ctx.data = 0.5 * torch.randn(learner.ctx.shape, generator=torch.Generator().manual_seed(2))
    x = F.normalize(clip.encode_regions(pictures()), dim=-1)
    one = [learner.prompts.encode(ctx, normalised=False) for ctx in learner.ctx]  # of each context, (C, D)
    g = torch.stack([F.normalize(texts, dim=-1) for texts in one])
    S = torch.stack([torch.stack([x[i, 1:] @ g[:, c].T for c in range(3)]) for i in range(4)])
    expected = (by_hand(S.detach()) * S).sum((-2, -1))
    if add_global:
        expected = expected + x[:, 0] @ F.normalize((one[0] + one[1]) / 2, dim=-1).T
    torch.testing.assert_close(learner(pictures()), clip.logit_scale * expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.scorer()(pictures()), clip.logit_scale * expected, atol=1e-4, rtol=0)


def test_images_that_need_more_rounds_get_them_alone():
    """An image that is done after two rounds stays so among others; in training all end together."""
    easy = torch.full((1, 1, 40, 8), 0.9)
    hard = torch.rand(1, 1, 40, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    both = torch.cat([easy] * 200 + [hard])
    torch.testing.assert_close(transport(both), torch.cat([transport(easy)] * 200 + [transport(hard)]))
    assert not torch.allclose(transport(both)[-1], transport(both, together=True)[-1], atol=1e-4)
    torch.testing.assert_close(transport(both).sum(-2), torch.full((201, 1, 8), 1 / 8))


@pytest.fixture
def slow():
    """Similarities (2, 2, 12, 4) of which a half or a double of the authors' 0.01 ends the rounds elsewhere."""
    return 0.3 + 0.7 * torch.rand(2, 2, 12, 4, generator=torch.Generator().manual_seed(0))


def test_rounds_end_where_the_authors_do(slow):
    torch.testing.assert_close(transport(slow), by_hand(slow))
    as_one = by_hand(slow.flatten(0, 1).unsqueeze(0)).reshape(slow.shape)  # the mean change of all
    torch.testing.assert_close(transport(slow, together=True), as_one)


def test_the_batch_that_trains_ends_its_rounds_at_once(clip, slow):
    """As in the released code: an image's plan depends on the others of its batch."""
    learner = PLOT(clip, NAMES[:2], n_prompts=4, n_ctx=2)
    learner._logits = lambda regions, texts, *, together=False: (transport(slow, together=together) * slow).sum((2, 3))
    labels, plans = torch.tensor([0, 1]), [transport(slow, together=together) for together in (True, False)]
    together, alone = (F.cross_entropy((plan * slow).sum((2, 3)), labels) for plan in plans)
    assert not torch.isclose(together, alone, rtol=1e-5)
    found = learner.loss(Batch(pictures(2), labels))
    torch.testing.assert_close(found, together, rtol=1e-6, atol=0)


def test_the_plan_is_held_fixed(clip):
    similarities = torch.rand(1, 2, 3, 2, requires_grad=True)
    assert not transport(similarities).requires_grad


@pytest.mark.parametrize("resnet", [False, True])
def test_the_first_region_is_the_whole_image(resnet):
    clip = tiny_clip(resnet=resnet)
    regions = clip.encode_regions(pictures())
    assert regions.shape == (4, 1 + (1 if resnet else 16), clip.dim)
    torch.testing.assert_close(regions[:, 0], clip.encode_images(pictures(), normalised=False), atol=1e-5, rtol=1e-4)


def test_a_places_answer_is_what_it_would_ask_for():
    """The pooling of a ResNet with the query of each of four places, one at a time."""
    clip = tiny_clip(resnet=True)
    visual, images = clip.model.visual, F.interpolate(pictures(2), size=64)
    visual.attnpool.positional_embedding.data = torch.randn(5, visual.attnpool.positional_embedding.shape[1])
    x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(images)))))[0].flatten(1).T  # (4, width)
    tokens = torch.cat([x.mean(0, keepdim=True), x]) + visual.attnpool.positional_embedding
    pool, heads = visual.attnpool, visual.attnpool.num_heads
    q, k, v = (product(tokens).view(5, heads, -1) for product in (pool.q_proj, pool.k_proj, pool.v_proj))
    for place in range(5):
        weights = [(k[:, h] @ q[place, h] / q.shape[-1] ** 0.5).softmax(0) for h in range(heads)]
        answer = torch.cat([weights[h] @ v[:, h] for h in range(heads)])
        torch.testing.assert_close(clip.encode_regions(images)[0, place], pool.c_proj(answer), atol=1e-4, rtol=1e-4)


def test_a_tower_without_regions_is_refused(clip):
    blurred = tiny_clip()
    blurred.model.visual.pool_type = "avg"
    with pytest.raises(UnsupportedBackboneError, match=r"tiny doesn't tell the regions of an image: .*pooled by 'avg'"):
        PLOT(blurred, NAMES)


@pytest.mark.parametrize(("dataset", "add_global"), [("imagenet", True), ("dtd", False)])
def test_the_recipe_is_the_authors(dataset, add_global):
    words = [f"dataset={dataset}", "learner=plot", "backbone=rn50", "protocol=few_shot", "shots=1"]
    arguments = settings_of(words).learner.arguments
    optim = arguments["optim"].make()
    assert (arguments["n_prompts"], arguments["n_ctx"], arguments["add_global"]) == (4, 16, add_global)
    assert (optim.epochs, optim.batch_size, optim.lr, optim.warmup_epochs) == (50, 128, 0.002, 1)
