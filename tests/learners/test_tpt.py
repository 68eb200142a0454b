"""TPT against its formula with whole prompts of 77 tokens, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import TPT, CoOp, Optim
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.tpt import entropies, entropy_of_mean, most_certain
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, prompts_golden
from tests.helpers.settings import settings_of

NAMES = class_names(5)


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def views(clip):
    """(3, 10, D): images whose views scatter more and more."""
    stream = torch.Generator().manual_seed(0)
    centres, noise = torch.randn(3, 1, clip.dim, generator=stream), torch.randn(3, 10, clip.dim, generator=stream)
    return F.normalize(centres + torch.tensor([0.3, 1.0, 2.0])[:, None, None] * noise, dim=-1)


def plain_features(clip, names, ctx):
    """(C, D): open_clip's own text tower over whole prompts."""
    model, rows = clip.model, []
    for name in names:
        ids = clip.tokenizer([f"{' '.join(['X'] * len(ctx))} {name.replace('_', ' ')}."])
        x = model.token_embedding(ids)
        x = torch.cat([x[:, :1], ctx.unsqueeze(0), x[:, 1 + len(ctx) :]], 1) + model.positional_embedding
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))
        rows.append(F.normalize(x[0, ids[0].argmax()] @ model.text_projection, dim=-1))
    return torch.stack(rows)


def plain_tpt(clip, names, start, views, *, keep, lr, decay, steps):
    """One image (K, D): logits (C,), the way the paper tells it."""
    ctx = start.detach().clone().requires_grad_()
    first, second = torch.zeros_like(ctx), torch.zeros_like(ctx)
    sure = None
    for step in range(1, steps + 1):
        p = (clip.logit_scale * views @ plain_features(clip, names, ctx).T).softmax(-1)
        if sure is None:
            entropies = [float(-(row * row.log()).sum()) for row in p.detach()]
            sure = sorted(range(len(views)), key=entropies.__getitem__)[:keep]
        mean = sum(p[v] for v in sure) / keep
        (grad,) = torch.autograd.grad(-(mean * mean.log()).sum(), ctx)
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        move = first / (1 - 0.9**step) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        ctx = (ctx * (1 - lr * decay) - lr * move).detach().requires_grad_()
    return (clip.logit_scale * views[:1] @ plain_features(clip, names, ctx).T).detach()


@pytest.mark.parametrize("steps", [1, 3])
def test_scores_are_the_papers(clip, views, steps):
    learner = TPT(clip, NAMES, test_views=10, selection=0.39, lr=0.02, weight_decay=0.3, steps=steps)
    start = learner.ctx.detach().clone()
    found = adapting_scorer(learner)(views)
    for row, own in zip(views, found, strict=True):
        expected = plain_tpt(clip, NAMES, start, row, keep=3, lr=0.02, decay=0.3, steps=steps)
        # Adam divides gradients by their size, so that rounding shows where they are near zero
        torch.testing.assert_close(own, expected[0], atol=5e-3, rtol=0)
    with torch.no_grad():
        assert (found - learner(views[:, 0])).abs().max() > 0.1  # the plain view alone says something else
    assert torch.equal(learner.ctx, start)


def test_one_backward_pass_serves_every_image(clip, views, monkeypatch):
    """The forward pass at the start runs once; then one for each image, over the tails and one prefix."""
    learner, calls = TPT(clip, NAMES, test_views=10), []
    encode = learner.prompts.encode
    monkeypatch.setattr(learner.prompts, "encode", lambda ctx: calls.append(torch.is_grad_enabled()) or encode(ctx))
    adapting_scorer(learner)(views)
    assert calls == [True, False, False, False]


def test_a_context_trained_first_is_coops(clip, views):
    optim = Optim(epochs=2)
    learner, coop = TPT(clip, NAMES, test_views=10, optim=optim), CoOp(clip, NAMES, ctx_init="a photo of a")
    (stage,) = learner.fit_plan()
    assert stage.parameters == [learner.ctx]
    assert stage.optim is optim
    untrained = TPT(clip, NAMES)
    assert not untrained.fit_plan()
    assert not untrained.learned_tensors()
    torch.testing.assert_close(learner(views[:, 0]), coop(views[:, 0]))
    learner.ctx.data += 0.1  # as training moves it
    expected = plain_tpt(clip, NAMES, learner.ctx, views[2], keep=1, lr=0.005, decay=0.01, steps=1)
    torch.testing.assert_close(learner.adapt_and_score(views[2:]).detach(), expected, atol=5e-3, rtol=0)


def test_other_classes_start_from_the_same_context(clip, views):
    names = ["bus", "tree"]
    moved = TPT(clip, NAMES, test_views=10).rebind(names, "{} texture.")
    torch.testing.assert_close(
        adapting_scorer(moved)(views), adapting_scorer(TPT(clip, names, test_views=10))(views), atol=1e-4, rtol=0
    )


def test_how_many_views_are_kept():
    logits = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    assert most_certain(logits, 0.99).tolist() == [1, 2, 3]  # rounded down, the surest first
    assert most_certain(logits, 0.1).tolist() == [1]
    entropy = entropy_of_mean(torch.tensor([[50.0, 0.0], [0.0, 50.0]]))  # views that contradict each other
    torch.testing.assert_close(entropy, torch.tensor(2.0).log())


def test_the_authors_numbers(monkeypatch):
    golden = prompts_golden("tpt")
    expected = golden.of("tpt")
    with torch.no_grad():
        views = golden.clip.encode_images(golden.drawn("views", (64, 3, 32, 32), 1.0))
    learner = TPT(golden.clip, golden.names, optim=Optim())
    close(learner.ctx.detach(), expected["ctx"], 1e-6)
    logits = learner(views)
    torch.testing.assert_close(logits, expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(entropies(logits), expected["entropy"], atol=1e-5, rtol=1e-5)
    sure = most_certain(logits, learner.selection)
    assert sure.tolist() == expected["selected"].tolist()
    loss = entropy_of_mean(logits[sure])
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    close(torch.autograd.grad(loss, learner.ctx)[0], expected["grad.ctx"], 1e-4)
    encode, seen = learner.prompts.encode, []
    monkeypatch.setattr(learner.prompts, "encode", lambda ctx: seen.append(ctx.detach().clone()) or encode(ctx))
    found = adapting_scorer(learner)(views.unsqueeze(0))
    start, after = seen
    close(after - start, expected["ctx_after_1_step"] - expected["ctx"], 1e-3)  # the step alone, of 0.005 everywhere
    torch.testing.assert_close(found, expected["logits_after"], atol=1e-3, rtol=0)


def test_the_recipe_is_the_authors():
    plain = settings_of(["learner=tpt"]).learner.arguments
    assert (plain["test_views"], plain["selection"], plain["lr"], plain["steps"]) == (64, 0.1, 0.005, 1)
    assert plain["optim"] is None
    assert settings_of(["learner=tpt_coop", "shots=16"]).learner.arguments["optim"].arguments["epochs"] == 200
