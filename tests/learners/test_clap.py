"""ZS-LP and CLAP against the paper's formulas, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import CLAP, ZSLP, Batch, ZeroShot
from tests.helpers.adapters import adapters_golden, unit_batch
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "boat"]


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


def weighed(learner, train):
    with torch.no_grad():
        learner.fit_plan()[0].solve(train, None)
    return learner


def test_losses_are_the_papers():
    """Class by class, with unequal classes and one without images."""
    clip = tiny_clip()
    labels = torch.tensor([0, 1, 1, 0, 1])
    train = Batch(unit_batch(clip, 5, each=3).inputs.reshape(5, 3, -1), labels)
    learner = weighed(CLAP(clip, NAMES), train)
    texts = [clip.model.encode_text(clip.tokenizer([f"a photo of a {name.replace('_', ' ')}."]))[0] for name in NAMES]
    alphas = []
    for k in range(3):
        own = [
            torch.softmax(torch.stack([clip.logit_scale * view @ (t / t.norm()) for t in texts]), 0)[k]
            for image, label in zip(train.inputs, labels, strict=True)
            if label == k
            for view in image
        ]
        alphas.append(sum(own) / len(own) if own else torch.tensor(0.0))
    torch.testing.assert_close(learner.multipliers, torch.stack(alphas), atol=1e-6, rtol=1e-5)
    learner.prototypes.data += 0.2 * torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(2))
    batch = Batch(train.inputs[:, 0], labels)
    logits = clip.logit_scale * batch.inputs @ F.normalize(learner.prototypes, dim=-1).T
    penalty = sum(a * ((p - t) ** 2).sum() for a, p, t in zip(alphas, learner.prototypes, texts, strict=True)) / 3
    torch.testing.assert_close(learner.loss(batch), F.cross_entropy(logits, labels) + penalty, atol=1e-5, rtol=1e-5)
    free = ZSLP(clip, NAMES)
    free.prototypes.data = learner.prototypes.data
    torch.testing.assert_close(free.loss(batch), F.cross_entropy(logits, labels), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [ZSLP, CLAP])
def test_both_start_as_zero_shot_clip(kind):
    clip = tiny_clip()
    images = unit_batch(clip, 3).inputs
    torch.testing.assert_close(kind(clip, NAMES)(images), ZeroShot(clip, NAMES)(images), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [ZSLP, CLAP])
def test_batches_are_drawn_from_the_pool_of_all_views(kind):
    assert kind(tiny_clip(), NAMES).fit_plan()[-1].draws == "pool"


@pytest.mark.parametrize(("case", "kind"), [("zslp", ZSLP), ("clap", CLAP), ("clap.ensemble", CLAP)])
def test_the_authors_numbers(golden, case, kind):
    expected, train = golden.of(case), golden.unit("train")
    texts = {"templates": golden.templates} if "ensemble" in case else {"template": golden.template}
    learner = kind(golden.clip, golden.names, **texts)
    torch.testing.assert_close(learner.texts.features, expected["base_text_features"], atol=1e-5, rtol=1e-5)
    if kind is CLAP:
        weighed(learner, train)
        torch.testing.assert_close(learner.multipliers, expected["alpha_constraint"], atol=1e-6, rtol=1e-5)
    batch = Batch(
        train.inputs[:, :2].transpose(0, 1).flatten(0, 1), train.labels.repeat(2)
    )  # view 0 of all items first
    learner.prototypes.data += golden.drawn("prototypes.moved", (7, 48), 0.3)
    loss = learner.loss(batch)
    (gradient,) = torch.autograd.grad(loss, learner.prototypes)
    torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ZSLP.loss(learner, batch), expected["cross_entropy"], atol=1e-5, rtol=1e-5)
    theirs = expected["grad.prototypes"]
    torch.testing.assert_close(gradient, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)

    learner.prototypes.data = learner.texts.features.clone()
    optimiser = learner.optim.build([learner.prototypes])
    optimiser.param_groups[0]["lr"] = 0.1
    for _ in range(3):
        optimiser.zero_grad()
        learner.loss(batch).backward()
        optimiser.step()
    torch.testing.assert_close(learner.prototypes.detach(), expected["prototypes_after_3_steps"], atol=1e-5, rtol=1e-5)
    found = learner(golden.unit("test").inputs)
    torch.testing.assert_close(found, expected["test_logits_after_3_steps"], atol=1e-4, rtol=0)
