"""Tip-Adapter, Tip-Adapter-F and CLIP-Adapter against what the authors' code computed."""

import math

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import CLIPAdapter, TipAdapter, TipAdapterF
from promptlab.learners.tip_search import cache_logits
from tests.helpers.adapters import adapters_golden


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


def with_their_keys(learner, golden, keys):
    """Their keys average raw views; ours normalised ones."""
    learner.keys.data, learner.labels.data = keys.clone(), golden.raw("train").labels
    return learner


def test_tip_adapter(golden):
    expected, test = golden.of("tip"), golden.unit("test").inputs
    learner = TipAdapter(golden.clip, golden.names, template=golden.template, alpha=1.17, beta=1.0)
    with_their_keys(learner, golden, expected["keys"])
    torch.testing.assert_close(learner(test), expected["test_logits_at_initial"], atol=1e-4, rtol=0)
    with torch.no_grad():
        learner.fit_plan()[1].solve(golden.unit("train"), golden.unit("val"))
    for name in ("alpha", "beta"):
        torch.testing.assert_close(getattr(learner, name), expected[f"best_{name}"])
    torch.testing.assert_close(learner(test), expected["test_logits"], atol=1e-4, rtol=0)
    votes = cache_logits(test @ learner.keys.T, expected["values"], float(learner.beta))
    torch.testing.assert_close(votes, expected["cache_logits"], atol=1e-5, rtol=1e-4)
    val = golden.unit("val")
    hits = (learner(val.inputs).argmax(1) == val.labels).float().mean()
    torch.testing.assert_close(100 * hits, expected["best_val_acc"])


def test_its_keys_from_raw_views_are_theirs(golden):
    keys = F.normalize(golden.raw("train").inputs.mean(1), dim=-1)
    torch.testing.assert_close(keys, golden.of("tip")["keys"], atol=1e-6, rtol=0)


def test_tip_adapter_f(golden):
    expected, train, test = golden.of("tip_f"), golden.unit("train"), golden.unit("test")
    batch = train._replace(inputs=train.inputs[:, 0])
    learner = TipAdapterF(golden.clip, golden.names, template=golden.template, alpha=1.17, beta=1.0)
    with_their_keys(learner, golden, golden.of("tip")["keys"])
    torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
    optimiser, losses = learner.optim.build([learner.keys]), []
    hits, kept = [], []
    for step in range(3):
        optimiser.param_groups[0]["lr"] = learner.optim.lr * (1 + math.cos(math.pi * step / 3)) / 2
        optimiser.zero_grad()
        if step == 2:
            torch.testing.assert_close(learner(batch.inputs), expected["logits_before_step_3"], atol=1e-4, rtol=0)
        loss = learner.loss(batch)
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            torch.testing.assert_close(
                learner.keys.grad, expected["grad.keys"], atol=1e-5 * float(expected["grad.keys"].abs().max()), rtol=0
            )
        optimiser.step()
        hits.append(int((learner(test.inputs).argmax(1) == test.labels).sum()))
        kept.append(learner.keys.detach().clone())
    torch.testing.assert_close(torch.stack(losses), expected["losses"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(learner.keys.detach(), expected["keys_after_3_steps"], atol=3e-5, rtol=0)
    best = hits.index(max(hits))  # what their script keeps, and so does select=test here, and finds there
    assert best == expected["epoch_chosen_on_test"]
    torch.testing.assert_close(kept[best], expected["keys_chosen_on_test"], atol=3e-5, rtol=0)
    learner.keys.data = kept[best]
    with torch.no_grad():
        learner.fit_plan()[2].solve(train, golden.unit("val"))
    for name in ("alpha", "beta"):
        torch.testing.assert_close(getattr(learner, name).detach(), expected[f"best_{name}"])


def test_clip_adapter(golden):
    """Fed normalised features, where theirs gets raw ones: the adapter's part is as long as its input."""
    expected, train = golden.of("clip_adapter"), golden.raw("train")
    batch = train._replace(inputs=train.inputs[:, 0])
    learner = CLIPAdapter(golden.clip, golden.names, template=golden.template)
    layers = {0: learner.adapter[0], 2: learner.adapter[2]}
    for number, layer in layers.items():
        shape = tuple(layer.weight.shape)
        layer.weight.data = golden.drawn(f"adapter.fc.{number}.weight", shape, shape[1] ** -0.5)
    torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    gradients = torch.autograd.grad(loss, [layer.weight for layer in layers.values()])
    for number, gradient in zip(layers, gradients, strict=True):
        theirs = expected[f"grad.adapter.fc.{number}.weight"]
        torch.testing.assert_close(gradient, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)
    optimiser = learner.optim.build(list(learner.adapter.parameters()))
    optimiser.param_groups[0]["lr"] = 0.002
    for _ in range(3):
        optimiser.zero_grad()
        learner.loss(batch).backward()
        optimiser.step()
    for number, layer in layers.items():
        theirs = expected[f"adapter.fc.{number}.weight_after_3_steps"]
        torch.testing.assert_close(layer.weight.detach(), theirs, atol=1e-5, rtol=0)
    found = learner(golden.raw("test").inputs)
    torch.testing.assert_close(found, expected["test_logits_after_3_steps"], atol=1e-4, rtol=0)
