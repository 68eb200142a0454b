"""Tip-Adapter and Tip-Adapter-F against the authors' loops, and what the cache says of other classes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from promptlab.learners import Batch, ClosedFormStage, GradientStage, TipAdapter, TipAdapterF, ZeroShot
from promptlab.learners.base.stages import require_validation
from promptlab.learners.tip_search import best_pair, grid
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "sea or lake", "boat"]
OWN = "a photo of a {}, a type of pet."
SMALL = {"search_step": (15, 6)}


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def unit(clip, *counts, seed=1):
    return F.normalize(torch.randn(*counts, clip.dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.fixture(scope="module")
def data(clip):
    """Ten training items with three views, labels unsorted, and forty validation items near them."""
    labels = torch.tensor([2, 0, 1, 3, 0, 2, 1, 3, 3, 0])
    centres = unit(clip, 4, seed=7)
    train = F.normalize(centres[labels].unsqueeze(1) + 1.3 * unit(clip, 10, 3, seed=2), dim=-1)
    truth = torch.arange(40) % 4
    val = F.normalize(centres[truth] + 1.3 * unit(clip, 40, seed=3), dim=-1)
    return Batch(train, labels), Batch(val, truth)


def texts(clip):
    return torch.cat([clip.encode_texts([OWN.format(name.replace("_", " "))]) for name in NAMES])


def plain_keys(train):
    """The authors' cache: views averaged, then normalised."""
    rows = []
    for views in train.inputs:
        total = torch.zeros_like(views[0])
        for view in views:
            total = total + view
        rows.append(total / len(views) / (total / len(views)).norm())
    return torch.stack(rows)


def plain_logits(clip, images, keys, labels, alpha, beta):
    """The paper's formula, image by image and key by key."""
    rows = []
    for image in images:
        row = clip.model.logit_scale.exp() * (texts(clip) @ image)
        for key, label in zip(keys, labels.tolist(), strict=True):
            vote = torch.zeros(len(NAMES))
            vote[label] = alpha * torch.exp(-1 * (beta - beta * (image @ key)))
            row = row + vote
        rows.append(row)
    return torch.stack(rows)


def plain_search(clip, keys, labels, val, scale, step):
    """The authors' search_hp."""
    beta_list = [i * (scale[0] - 0.1) / step[0] + 0.1 for i in range(step[0])]
    alpha_list = [i * (scale[1] - 0.1) / step[1] + 0.1 for i in range(step[1])]
    values = F.one_hot(labels, len(NAMES)).float()
    best_accuracy = best_alpha = best_beta = 0
    for beta in beta_list:
        for alpha in alpha_list:
            votes = ((-1) * (beta - beta * (val.inputs @ keys.T))).exp() @ values
            logits = clip.logit_scale * val.inputs @ texts(clip).T + votes * alpha
            accuracy = float((logits.argmax(1) == val.labels).float().mean())
            if accuracy > best_accuracy:
                best_accuracy, best_alpha, best_beta = accuracy, alpha, beta
    return best_alpha, best_beta


def solved(learner, data):
    with torch.no_grad():
        for stage in learner.fit_plan():
            if isinstance(stage, ClosedFormStage):
                stage.solve(*data)
    return learner


@pytest.mark.parametrize("kind", [TipAdapter, TipAdapterF])
def test_cache_and_logits_are_the_papers(clip, data, kind):
    learner = solved(kind(clip, NAMES, template=OWN, alpha=2.5, beta=3.0, search=False), data)
    torch.testing.assert_close(learner.keys.detach(), plain_keys(data[0]), atol=1e-6, rtol=0)
    expected = plain_logits(clip, data[1].inputs, plain_keys(data[0]), data[0].labels, 2.5, 3.0)
    torch.testing.assert_close(learner(data[1].inputs).detach(), expected, atol=2e-4, rtol=0)


def test_the_grid_is_the_authors():
    assert (len(grid(7, 200)), len(grid(3, 20))) == (200, 20)
    assert grid(7, 200)[:2] == [0.1, 1 * (7 - 0.1) / 200 + 0.1]
    assert grid(3, 20)[-1] == 19 * (3 - 0.1) / 20 + 0.1 < 3


def test_the_search_is_the_authors(clip, data):
    """With a cache that helps and with one that misleads, so that both ends of the grid can win."""
    found = set()
    for shift, alpha_end in ((0, 60.0), (1, 60.0), (0, 3.0)):
        train = data[0]._replace(labels=(data[0].labels + shift) % 4)
        scale, step = (7, alpha_end), (9, 7)
        arguments = {"template": OWN, "search_scale": scale, "search_step": step}
        learner = solved(TipAdapter(clip, NAMES, **arguments), (train, data[1]))
        alpha, beta = plain_search(clip, plain_keys(train), train.labels, data[1], scale, step)
        assert (float(learner.alpha), float(learner.beta)) == pytest.approx((alpha, beta), rel=1e-6)
        found.add((alpha, beta))
    assert len(found) > 1  # the search does depend on what is in the cache


def test_of_equal_pairs_the_first_wins_with_beta_outside():
    labels = torch.tensor([0, 1])
    everything_right = 10 * torch.eye(2)
    similarities, values = torch.zeros(2, 2), torch.eye(2)
    assert best_pair(everything_right, similarities, values, labels, [0.1, 0.2], [0.3, 0.4]) == (0.1, 0.3)
    wrong_by_one = torch.tensor([[0.0, 0.05], [0.0, 1.0]])  # one vote of class 0 for the first image makes it right
    similar = torch.tensor([[1.0, -9.0], [-9.0, 1.0]])
    pair = best_pair(wrong_by_one, similar, values, labels, [0.01, 0.2, 0.3], [1.0, 2.0])
    assert pair == (0.2, 1.0)


def test_keys_train_as_the_authors_adapter_does(clip, data):
    """AdamW with a cosine per step on an nn.Linear of the keys, at the initial alpha and beta."""
    learner = TipAdapterF(clip, NAMES, template=OWN, search_step=(9, 7))
    cache, train, search = learner.fit_plan()
    assert isinstance(train, GradientStage)
    with torch.no_grad():
        cache.solve(*data)
    assert train.parameters[0] is learner.keys  # filled in place: the optimiser holds the same object

    adapter = nn.Linear(clip.dim, 10, bias=False)
    adapter.weight = nn.Parameter(plain_keys(data[0]))
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=0.001, eps=1e-4)
    steps = 2
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20 * steps)
    values = F.one_hot(data[0].labels, 4).float()
    batches = [Batch(data[0].inputs[part, 0], data[0].labels[part]) for part in (slice(0, 6), slice(6, 10))]

    own = train.optim.build(train.parameters)
    for epoch in range(train.optim.epochs):
        for step, batch in enumerate(batches):
            own.param_groups[0]["lr"] = train.optim.lr_at(epoch, step, steps)
            own.zero_grad()
            train.loss(batch).backward()
            own.step()

            votes = ((-1) * (1 - adapter(batch.inputs))).exp() @ values
            logits = clip.logit_scale * batch.inputs @ texts(clip).T + votes * 1.17
            optimiser.zero_grad()
            F.cross_entropy(logits, batch.labels).backward()
            optimiser.step()
            scheduler.step()
    assert (learner.keys - plain_keys(data[0])).abs().max() > 1e-3
    torch.testing.assert_close(learner.keys.detach(), adapter.weight.detach(), atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        search.solve(*data)
    expected = plain_search(clip, learner.keys.detach(), data[0].labels, data[1], (7, 3), (9, 7))
    assert (float(learner.alpha), float(learner.beta)) == pytest.approx(expected, rel=1e-6)


def test_a_second_fit_trains_at_the_initial_alpha_and_beta_again(clip, data):
    learner = solved(TipAdapterF(clip, NAMES, search_step=(9, 7)), data)
    learner.alpha.fill_(9.0)
    with torch.no_grad():
        learner.fit_plan()[0].solve(*data)
    assert (float(learner.alpha), float(learner.beta)) == pytest.approx((1.17, 1.0))


def test_what_is_saved(clip):
    assert TipAdapter(clip, NAMES).state_dict().keys() == {"keys", "labels", "alpha", "beta"}
    assert not list(TipAdapter(clip, NAMES).parameters())
    assert [name for name, _ in TipAdapterF(clip, NAMES).named_parameters()] == ["keys"]


def test_keys_of_other_classes_have_no_vote(clip, data):
    learner = solved(TipAdapter(clip, NAMES, search=False), data)
    full = learner(data[1].inputs)
    chosen = learner.select([3, 0, 1])
    torch.testing.assert_close(chosen(data[1].inputs), full[:, [3, 0, 1]], atol=1e-4, rtol=0)
    again = chosen.select([2, 0])
    torch.testing.assert_close(again(data[1].inputs), full[:, [1, 3]], atol=1e-4, rtol=0)
    torch.testing.assert_close(chosen.rebind(chosen.class_names, "a photo of a {}.")(data[1].inputs),
                               full[:, [3, 0, 1]], atol=1e-4, rtol=0)  # fmt: skip


def test_other_names_are_zero_shot_and_own_names_are_not(clip, data):
    learner = solved(TipAdapter(clip, NAMES, template=OWN, search=False), data)
    images = data[1].inputs
    zero_shot = ZeroShot(clip, ["car", "cat"], template="{} texture.")
    torch.testing.assert_close(learner.rebind(["car", "cat"], "{} texture.")(images), zero_shot(images))
    own = learner.rebind(NAMES, OWN)(images)
    torch.testing.assert_close(own, learner(images))
    assert (own - ZeroShot(clip, NAMES, template=OWN)(images)).abs().max() > 0.1


def test_own_classes_keep_their_keys_among_others(clip, data):
    """In a joint label space; a class is told by its place, not by its name."""
    learner = solved(TipAdapter(clip, NAMES, template=OWN, search=False), data)
    images, names = data[1].inputs, [NAMES[0], "car", NAMES[3]]
    joint = learner.extend(names, OWN, [None, None, 3])(images)
    torch.testing.assert_close(joint[:, :2], ZeroShot(clip, names[:2], template=OWN)(images))
    torch.testing.assert_close(joint[:, 2], learner(images)[:, 3], atol=1e-4, rtol=0)
    assert (joint[:, 2] - ZeroShot(clip, [NAMES[3]], template=OWN)(images)[:, 0]).abs().max() > 0.1


def test_a_large_search_goes_by_blocks(clip, data, monkeypatch):
    stream = torch.Generator().manual_seed(0)
    zero_shot, similarities = torch.randn(50, 4, generator=stream), torch.rand(50, 12, generator=stream)
    values, labels = torch.eye(4)[torch.arange(12) % 4], torch.randint(4, (50,), generator=stream)
    arguments = (zero_shot, similarities, values, labels, grid(3, 10), grid(7, 10))
    whole = best_pair(*arguments)
    monkeypatch.setattr("promptlab.learners.tip_search.MOST_VOTES", 12 * 7)
    assert best_pair(*arguments) == whole


@pytest.mark.parametrize("kind", [TipAdapter, TipAdapterF])
def test_no_validation_images_are_named_before_anything_trains(clip, data, kind):
    with pytest.raises(ValueError, match=r"val=few or val=full, or learner\.search=false"):
        require_validation(kind(clip, NAMES).fit_plan(), kind.__name__)
    without = kind(clip, NAMES, search=False)
    assert [stage.name for stage in without.fit_plan()][-1] != "search"
    with torch.no_grad():
        without.fit_plan()[0].solve(data[0], None)
    assert len(without.keys) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"beta": float("inf")}, "beta=inf"),
        ({"search_scale": (7,)}, "search_scale"),
        ({"search_scale": (7, 0.1)}, "above 0.1"),
        ({"search_step": (0, 3)}, "search_step"),
    ],
)
def test_bad_arguments_are_named(clip, arguments, message):
    with pytest.raises(ValueError, match=message):
        TipAdapter(clip, NAMES, **arguments)
