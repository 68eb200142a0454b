"""ProLIP against its formula, and against what the authors' code computed."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from promptlab.learners import Batch, ProLIP, ZeroShot
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import require_validation
from promptlab.learners.prolip import PENALTIES, RATES
from tests.helpers.golden import read_golden
from tests.helpers.models import class_names, freeze, rule_model, rule_tensor, tiny_clip
from tests.helpers.prompts_golden import close
from tests.helpers.settings import settings_of

NAMES = class_names(3)


@pytest.fixture(scope="module")
def golden():
    tensors, metadata = read_golden("prolip.safetensors")
    sizes = {"embed_dim": 48, "text_width": 96, "text_heads": 4, "text_layers": 3, "vision_layers": 2}
    clip = freeze(rule_model(int(metadata["salt"]), **sizes), "golden")
    return clip, tensors, metadata


def learner_of(golden, **arguments):
    clip, _, metadata = golden
    return ProLIP(clip, json.loads(metadata["class_names"]), template=metadata["template"], **arguments)


def batches(golden, views):
    _, tensors, _ = golden
    train = Batch(tensors["prolip.train_before"][:, :views], tensors["train.labels"].long())
    return train, Batch(tensors["prolip.val_before"], tensors["val.labels"].long())


def before(clip, labels, views, seed=0):
    """Features before the projection (N, K, V), near the class of each."""
    centres = torch.randn(3, clip.pre_projection_width, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(len(labels), views, clip.pre_projection_width, generator=torch.Generator().manual_seed(seed))
    return centres[labels].unsqueeze(1) + 2 * noise


def steps_by_hand(learner, train, optim, strength):
    """The authors' loop: Adam, a cosine over the epochs, step e on view e + 1."""
    clip, start = learner.clip, learner.clip.image_projection
    projection = torch.nn.Parameter(start.clone())
    adam = torch.optim.Adam([projection], lr=optim.lr, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, optim.epochs)
    for epoch in range(optim.epochs):
        x = train.inputs[:, (epoch + 1) % train.inputs.shape[1]]
        logits = clip.logit_scale * F.normalize(x @ projection, dim=-1) @ learner.text_features().T
        loss = F.cross_entropy(logits, train.labels) + strength * ((projection - start) ** 2).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return projection.detach()


def moved_by(learner):
    """The squared distance of its projection from the backbone's."""
    return (learner.projection.detach() - learner.clip.image_projection).square().sum()


@pytest.mark.parametrize("case", ["lr1e-2", "lr1e-5"])
@pytest.mark.parametrize("steps", [3, 12])
def test_the_authors_numbers(golden, case, steps):
    tensors, rate = golden[1], float(case.removeprefix("lr"))
    learner = learner_of(golden)
    learner._weigh(batches(golden, steps)[0], None)
    assert float(learner.strength) == 0.25
    logits, losses, far = [], [], []
    learner.balance = SimpleNamespace(cross_entropy=lambda z, y: logits.append(z) or F.cross_entropy(z, y))
    whole = learner.loss
    learner.loss = lambda batch: losses.append(whole(batch)) or far.append(moved_by(learner)) or losses[-1]
    with torch.no_grad():
        learner._descend(batches(golden, steps)[0], replace(learner.optim, lr=rate, epochs=steps))
    apart = torch.stack(losses).detach() - 0.25 * torch.stack(far)
    torch.testing.assert_close(apart, tensors[f"prolip.{case}.losses_{steps}"].float(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[0].detach(), tensors["prolip.first_logits"], atol=1e-4, rtol=0)
    if steps == 12:
        torch.testing.assert_close(logits[-1].detach(), tensors[f"prolip.last_logits.{case}"], atol=1e-3, rtol=0)
        torch.testing.assert_close(far[-1], tensors[f"prolip.{case}.last_mse"].float(), atol=0, rtol=1e-3)
    close(learner.projection.detach(), tensors[f"prolip.{case}.weight_after_{steps}"], 1e-4)
    found = learner(tensors["prolip.test_before"])
    torch.testing.assert_close(found, tensors[f"prolip.{case}.test_logits_after_{steps}"], atol=1e-3, rtol=0)


def test_the_authors_loss_away_from_the_start(golden):
    _, tensors, metadata = golden
    learner = learner_of(golden)
    train = batches(golden, 12)[0]
    learner._weigh(train, None)
    moved = rule_tensor("prolip.moved", (64, 48), int(metadata["salt"]), 1.0)
    learner.projection.data += 0.02 * moved
    batch = train._replace(inputs=train.inputs[:, 1])
    loss = learner.loss(batch)
    (gradient,) = torch.autograd.grad(loss, learner.projection)
    torch.testing.assert_close(learner(batch.inputs), tensors["prolip.moved.logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(loss, tensors["prolip.moved.loss"], atol=1e-4, rtol=1e-5)
    close(gradient, tensors["prolip.moved.grad"], 1e-4)


def test_the_authors_search(golden):
    tensors = golden[1]
    learner = learner_of(golden, search=True)
    learner.optim = replace(learner.optim, epochs=12)
    with torch.no_grad():
        learner.fit_plan()[0].solve(*batches(golden, 12))
    assert float(learner.strength) == pytest.approx(float(tensors["prolip.search.lambda"]))
    found = learner(tensors["prolip.test_before"])
    torch.testing.assert_close(found, tensors["prolip.search.test_logits"], atol=1e-3, rtol=0)
    train, val = batches(golden, 12)
    hits = (learner(val.inputs).argmax(-1) == val.labels).float()
    torch.testing.assert_close(100 * hits.mean(), tensors["prolip.search.best_val_acc"].float(), atol=1e-4, rtol=0)
    chosen = learner.projection.detach().clone()
    with torch.no_grad():
        learner._descend(train, replace(learner.optim, lr=float(tensors["prolip.search.lr"])))
    close(learner.projection.detach(), chosen, 1e-6)  # their rate is kept in fp32


def test_pairs_are_tried_in_the_authors_order():
    """Rates in the outer loop: of equals the first wins."""
    learner, tried = ProLIP(tiny_clip(), NAMES, search=True), []
    learner._descend = lambda train, optim: tried.append((optim.lr, round(float(learner.strength), 6)))
    batch = Batch(before(learner.clip, torch.arange(3), 1), torch.arange(3))
    with torch.no_grad():
        learner.fit_plan()[0].solve(batch, batch._replace(inputs=batch.inputs[:, 0]))
    assert tried == [(rate, penalty) for rate in RATES for penalty in PENALTIES]
    assert float(learner.strength) == PENALTIES[0]


@pytest.mark.parametrize("penalty", [None, 0.3])
def test_both_ways_to_train_are_the_authors_loop(penalty):
    """The gradient stage's own optimiser and schedule, and the loop of the search."""
    clip = tiny_clip()
    labels = torch.tensor([2, 0, 1, 2, 0, 1])
    train = Batch(before(clip, labels, 4), labels)
    optim = Optim(name="adam", lr=3e-3, eps=1e-4, weight_decay=0.0, epochs=5, batch_size=100, drop_last=False,
                  schedule="cosine_per_step", warmup_epochs=0)  # fmt: skip
    learner = ProLIP(clip, NAMES, penalty=penalty, optim=optim)
    weigh, descent = learner.fit_plan()
    with torch.no_grad():
        weigh.solve(train, None)
    expected = steps_by_hand(learner, train, optim, 0.5 if penalty is None else 0.3)
    own = descent.optim.build(descent.parameters)
    for epoch in range(5):
        own.param_groups[0]["lr"] = descent.optim.lr_at(epoch, 0, 1)
        own.zero_grad()
        descent.loss(Batch(train.inputs[:, (epoch + 1) % 4], labels)).backward()
        own.step()
    assert descent.draws == "views_in_turn"
    assert (expected - clip.image_projection).abs().max() > 1e-3
    close(learner.projection.detach(), expected, 1e-5)
    with torch.no_grad():
        learner._descend(train, optim)
    close(learner.projection.detach(), expected, 1e-5)


def test_it_starts_as_zero_shot_and_takes_new_names():
    clip = tiny_clip()
    x = before(clip, torch.arange(3), 1)[:, 0]
    features, learner = F.normalize(x @ clip.image_projection, dim=-1), ProLIP(clip, NAMES)
    torch.testing.assert_close(learner(x), ZeroShot(clip, NAMES)(features), atol=1e-4, rtol=0)
    moved = learner.rebind(["bus"], "a {}.")
    torch.testing.assert_close(moved(x), ZeroShot(clip, ["bus"], template="a {}.")(features), atol=1e-4, rtol=0)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"penalty=0\.1 and search"):
        ProLIP(tiny_clip(), NAMES, penalty=0.1, search=True)
    with pytest.raises(UnsupportedBackboneError):
        ProLIP(tiny_clip(resnet=True), NAMES)
    with pytest.raises(ValueError, match=r"learner\.search=false"):
        require_validation(ProLIP(tiny_clip(), NAMES, search=True).fit_plan(), "ProLIP")


@pytest.mark.parametrize(
    ("words", "templates"),
    [
        (["dataset=imagenet", "protocol=few_shot"], "select_only"),
        (["dataset=imagenet", "protocol=domain_generalization"], "select_only"),
        (["dataset=imagenet", "protocol=cross_dataset"], None),
        (["dataset=dtd", "protocol=few_shot"], None),
    ],
)
def test_the_recipe_is_the_papers(words, templates):
    arguments = settings_of(["learner=prolip", "backbone=vit_b16", *words]).learner.arguments
    published = Optim(
        name="adam", lr=1e-5, eps=1e-4, weight_decay=0, epochs=300, batch_size=1_000_000, drop_last=False,
        schedule="cosine_per_step", warmup_epochs=0,
    )  # fmt: skip
    assert arguments["optim"].make() == published == ProLIP(tiny_clip(), NAMES).optim
    assert (arguments["templates"], arguments["penalty"], arguments["search"]) == (templates, None, False)
    assert ProLIP.crop_scale == (0.5, 1.0)


def test_the_searched_setting_is_what_is_said():
    """What the README's row writes is a command line."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith("| `prolip`")]
    (words,) = [part for part in row.split("`")[1::2] if "search" in part]
    settings = settings_of(["learner=prolip", *words.split()])
    assert (settings.learner.arguments["search"], settings.val) == (True, "shots")
