"""APE and APE-T against their formulas, and against what the authors' code computed."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import APE, APET, Batch, ZeroShot
from promptlab.learners.ape import criterion, similarity
from promptlab.learners.base.marks import marks_of
from promptlab.learners.tip_search import best_of
from tests.helpers.adapters import adapters_golden, solve
from tests.helpers.models import tiny_clip
from tests.helpers.prompts_golden import close
from tests.helpers.settings import settings_of

NAMES = ["cat", "golden_retriever", "boat", "bus"]
GOLDEN = {"kept": 30 / 48, "search_scale": (7, 7, 1), "search_step": (20, 10, 5)}


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def data(clip):
    """Views of unequal length, of three, one, two and no images."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    train = Batch(5 * torch.randn(6, 3, clip.dim, generator=stream), labels)
    noise = torch.randn(8, clip.dim, generator=stream)
    return train, Batch(train.inputs.mean(1)[[0, 1, 2, 3, 4, 5, 0, 3]] + 4 * noise, labels[[0, 1, 2, 3, 4, 5, 0, 3]])


def plain_channels(texts, keys, labels, count):
    """The sums over pairs, pair by pair."""
    rows = [(texts[c], c) for c in range(len(texts))] + list(zip(keys, labels, strict=True))
    products = [x * y for i, (x, a) in enumerate(rows) for j, (y, b) in enumerate(rows) if i != j and a != b]
    scores = -0.3 * sum(products) / len(products) + 0.6 * texts.var(0)
    return sorted(range(len(scores)), key=lambda d: -float(scores[d]))[:count]


def test_scores_are_the_papers(clip, data):
    train, val = data
    learner = solve(APE(clip, NAMES, weights=(0.3, 0.6), kept=0.25, alpha=2.0, beta=3.0, gamma=0.4, search=False),
                    train)  # fmt: skip
    W, keys = ZeroShot(clip, NAMES).text_features(), F.normalize(train.inputs.mean(1), dim=-1)
    channels = plain_channels(W, keys, train.labels.tolist(), round(0.25 * clip.dim))
    assert learner.channels.tolist() == channels
    cut_keys, cut_texts = F.normalize(keys[:, channels], dim=-1), F.normalize(W[:, channels], dim=-1)
    for f, found in zip(val.inputs, learner(val.inputs), strict=True):
        own, logits = F.normalize(f[channels], dim=0), clip.logit_scale * W @ F.normalize(f, dim=0)
        for key, label in zip(cut_keys, train.labels.tolist(), strict=True):
            p = (cut_texts @ key).softmax(0)
            v = torch.eye(4)[label]
            kl = sum(float(a) * math.log2((float(a) + 1e-6) / (float(b) + 1e-6)) for a, b in zip(v, p, strict=True))
            logits[label] += 2.0 * math.exp(-3.0 * (1 - float(own @ key)) + 0.4 * kl)
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-5)


def test_the_trained_scores_are_the_papers(clip, data):
    train, val = data
    learner = solve_cache(APET(clip, NAMES, kept=0.25, alpha=2.0, beta=3.0), train)
    W, keys = ZeroShot(clip, NAMES).text_features(), F.normalize(train.inputs.mean(1), dim=-1)
    none = torch.zeros(0, clip.dim)
    expected = criterion(similarity(W, none, torch.zeros(0, dtype=torch.int64)), W, 0.5, 0.5)
    assert learner.channels.tolist() == expected.topk(round(0.25 * clip.dim)).indices.tolist()
    stream = torch.Generator().manual_seed(1)
    learner.residuals.data = 0.1 * torch.randn(learner.residuals.shape, generator=stream)
    learner.votes.data = torch.rand(6, 1, generator=stream)
    for f, found in zip(val.inputs, learner(val.inputs), strict=True):
        x = F.normalize(f, dim=0)
        spread = torch.zeros(4, clip.dim)
        spread[:, learner.channels] = learner.residuals.data
        logits = clip.logit_scale * (W + spread) @ x
        for key, label, vote in zip(keys, train.labels.tolist(), learner.votes.data, strict=True):
            logits[label] += 2.0 * vote[0] * torch.exp(-3.0 * (1 - x @ (key + spread[label])))
        torch.testing.assert_close(found.detach(), logits, atol=1e-4, rtol=1e-5)


def solve_cache(learner, train, val=None):
    with torch.no_grad():
        learner.fit_plan()[0].solve(train, val or train)
    return learner


@pytest.mark.parametrize("kind", [APE, APET])
def test_new_classes_are_scored_as_zero_shot(clip, data, kind):
    train, val = data
    learner = solve_cache(kind(clip, NAMES, search=False), train)
    moved = learner.rebind(["tree", "star", "moon"])
    expected = ZeroShot(clip, ["tree", "star", "moon"])(F.normalize(val.inputs, dim=-1))
    torch.testing.assert_close(moved(val.inputs), expected, atol=1e-4, rtol=0)


def test_of_equal_hits_the_first_in_the_authors_order():
    zero_shot, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([1])
    values = [torch.tensor([[0.0, 0.1]]), torch.tensor([[0.0, 3.0]])]
    alone = best_of(zero_shot, torch.ones(1, 1), values, labels, [0.2, 0.5, 20.0], [1.0, 2.0])
    assert alone == (0.5, 1.0, 1)  # the first alpha for which a gamma is right, at the first beta


def test_what_is_set_by_hand_is_marked(clip):
    assert "selected_on_test" not in marks_of(APE(clip, NAMES))
    assert "selected_on_test" in marks_of(APET(clip, NAMES, published=True))


def test_the_authors_numbers(golden):
    expected, val, test = golden.of("ape"), golden.raw("val"), golden.raw("test")
    train = golden.raw("train")
    start = solve(APE(golden.clip, golden.names, template=golden.template, search=False, **GOLDEN), train)
    found = similarity(start.text_features(), start.keys, start.labels)
    torch.testing.assert_close(found, expected["similarity"], atol=1e-6, rtol=1e-5)
    scores = criterion(found, start.text_features(), 0.5, 0.5)
    torch.testing.assert_close(scores, expected["criterion"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(start.channels, expected["indices"])
    torch.testing.assert_close(start.divergence, expected["cache_div"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(start(test.inputs), expected["test_logits_at_initial"], atol=1e-4, rtol=0)
    learner = solve(APE(golden.clip, golden.names, template=golden.template, **GOLDEN), train, val)
    for name in ("alpha", "beta", "gamma"):
        torch.testing.assert_close(getattr(learner, name), expected[f"best_{name}"])
    hits = (learner(val.inputs).argmax(-1) == val.labels).float().mean()
    torch.testing.assert_close(hits, expected["best_val_acc"] / (100 if expected["best_val_acc"] > 1 else 1))
    torch.testing.assert_close(learner(test.inputs), expected["test_logits"], atol=1e-4, rtol=0)


def test_the_authors_training(golden):
    expected, train, test, val = golden.of("ape_t"), *(golden.raw(part) for part in ("train", "test", "val"))
    settings = {**GOLDEN, "weights": (0.2, 0.8)}
    learner = solve_cache(APET(golden.clip, golden.names, template=golden.template, **settings), train)
    # their code reads APE's similarity, of texts and images, from the disk
    learner.channels.data = (
        criterion(golden.of("ape")["similarity"], learner.text_features(), 0.2, 0.8).topk(30).indices
    )
    torch.testing.assert_close(learner.channels, expected["indices"])
    batch = Batch(train.inputs[:, 0], train.labels)
    optim = replace(learner.optim, epochs=3)
    optimiser, losses = optim.build(learner.fit_plan()[1].parameters), []
    hits, states = [], []
    for step in range(3):
        optimiser.param_groups[0]["lr"] = optim.lr_at(step)
        optimiser.zero_grad()
        if not step:
            torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
        if step == 2:
            torch.testing.assert_close(learner(batch.inputs), expected["logits_before_step_3"], atol=1e-4, rtol=0)
        loss = learner.loss(batch)
        loss.backward()
        losses.append(loss.detach())
        if not step:
            close(learner.residuals.grad, expected["grad.res"], 1e-4)
            close(learner.votes.grad, expected["grad.value_weights"], 1e-4)
        optimiser.step()
        hits.append(int((learner(val.inputs).argmax(-1) == val.labels).sum()))
        states.append({name: tensor.clone() for name, tensor in learner.state_dict().items()})
    torch.testing.assert_close(torch.stack(losses), expected["losses"], atol=1e-4, rtol=1e-5)
    close(learner.residuals.detach(), expected["res_after_3_steps"], 2e-4)
    close(learner.votes.detach(), expected["value_weights_after_3_steps"], 1e-4)
    torch.testing.assert_close(learner(test.inputs), expected["test_logits_after_3_steps"], atol=1e-3, rtol=0)
    best = hits.index(max(hits))  # the epoch that they keep, and what they find there
    assert best == expected["best_epoch_on_val"]
    learner.load_state_dict(states[best])
    with torch.no_grad():
        learner.fit_plan()[2].solve(train, val)
    for name in ("alpha", "beta"):
        torch.testing.assert_close(getattr(learner, name), expected[f"best_{name}"])


def test_the_recipe_is_one_for_all_and_the_authors_by_name():
    plain = settings_of(["learner=ape", "dataset=eurosat"]).learner.arguments
    assert (plain["weights"], plain["kept"], plain["published"]) == ([0.5, 0.5], 0.7, False)
    theirs = settings_of(["learner=ape_published", "dataset=eurosat"]).learner.arguments
    assert (theirs["weights"], theirs["kept"], theirs["search_scale"]) == ([0.9, 0.1], 700 / 1024, [30, 5, 1.5])
    assert theirs["published"]
    trained = settings_of(["learner=ape_t_published", "dataset=oxford_pets"]).learner.arguments
    optim = trained["optim"].arguments
    assert (trained["alpha"], optim["lr"], optim["eps"], optim["epochs"]) == (2, 1e-4, 0.002, 30)


BY_HAND = {
    "caltech101": ([0.5, 0.5], 800, [7, 7, 1], 1, 1e-3, 1e-3, 30),
    "dtd": ([0.5, 0.5], 400, [7, 7, 1], 3, 1e-3, 1e-3, 20),
    "eurosat": ([0.9, 0.1], 700, [30, 5, 1.5], 1, 1e-3, 1e-3, 200),
    "fgvc_aircraft": ([0.1, 0.9], 800, [20, 10, 1], 5, 1e-3, 1e-3, 30),
    "food101": ([0.3, 0.7], 700, [7, 7, 1], 0.8, 1e-4, 1e-3, 30),
    "imagenet": ([0.7, 0.3], 500, [7, 7, 0.5], 2, 1e-4, 1e-3, 20),
    "oxford_flowers": ([0.4, 0.6], 700, [7, 7, 1], 3, 1e-3, 1e-3, 60),
    "oxford_pets": ([0.7, 0.3], 800, [7, 7, 1], 2, 1e-4, 2e-3, 30),
    "stanford_cars": ([0.6, 0.4], 500, [10, 7, 1], 1, 1e-3, 5e-3, 30),
    "sun397": ([0.7, 0.3], 800, [10, 7, 1], 1, 1e-4, 1e-3, 30),
    "ucf101": ([0.3, 0.7], 700, [10, 7, 1.5], 2, 1e-3, 2e-3, 30),
}
"""Weights, channels of 1,024, ends of the search and the first alpha; APE-T's lr, eps and epochs."""


@pytest.mark.parametrize("dataset", BY_HAND)
def test_the_numbers_that_the_authors_set_by_hand(dataset):
    weights, channels, ends, alpha, *trained = BY_HAND[dataset]
    for name in ("ape_published", "ape_t_published"):
        arguments = settings_of([f"learner={name}", f"dataset={dataset}"]).learner.arguments
        assert (arguments["weights"], arguments["alpha"], arguments["published"]) == (weights, alpha, True)
        assert round(1024 * arguments["kept"]) == channels
        assert arguments["search_scale"] == ends
        assert arguments["search_step"][:2] == [200, 20]
        if name == "ape_published":
            assert arguments["search_step"][2] == (5 if dataset == "imagenet" else 20)
        else:
            optim = arguments["optim"].arguments
            assert [optim["lr"], optim["eps"], optim["epochs"]] == trained
            assert (optim["weight_decay"], optim["batch_size"], optim["schedule"]) == (0.1, 256, "cosine_per_step")
