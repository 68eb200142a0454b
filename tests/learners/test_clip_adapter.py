"""CLIP-Adapter against the authors' formula, image by image, and its edges."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, CLIPAdapter, ZeroShot
from promptlab.learners.base.optim import Optim
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "sea or lake"]
OWN = "a photo of a {}, a type of pet."


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def unit(count, clip, seed=1):
    return F.normalize(torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def plain(learner, images, ratio=0.2):
    """The authors' CustomCLIP on features of any length, one image and one class at a time."""
    clip = learner.clip
    down, up = learner.adapter[0].weight, learner.adapter[2].weight
    rows = []
    for feature in images:
        x = torch.relu(up @ torch.relu(down @ feature))
        mixed = ratio * x + (1 - ratio) * feature
        mixed = mixed / mixed.norm()
        row = []
        for name in NAMES:
            text = clip.model.encode_text(clip.tokenizer([OWN.format(name.replace("_", " "))]))[0]
            row.append(clip.model.logit_scale.exp() * (mixed * text / text.norm()).sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("length", [1.0, 11.5])
def test_logits_and_gradients_are_the_authors_whatever_the_features_length(clip, length):
    learner, images, labels = CLIPAdapter(clip, NAMES, template=OWN), unit(5, clip), torch.tensor([0, 1, 2, 1, 0])
    expected = plain(learner, length * images)
    torch.testing.assert_close(learner(images), expected, atol=1e-4, rtol=0)
    own = torch.autograd.grad(learner.loss(Batch(images, labels)), list(learner.parameters()))
    theirs = torch.autograd.grad(F.cross_entropy(expected, labels), list(learner.parameters()))
    for a, b in zip(own, theirs, strict=True):
        assert b.norm() > 0
        assert (a - b).norm() <= 1e-4 * b.norm()


def test_shapes_and_names_of_what_trains(clip):
    learner = CLIPAdapter(clip, NAMES)
    shapes = {name: tuple(parameter.shape) for name, parameter in learner.named_parameters()}
    assert shapes == {"adapter.0.weight": (12, 48), "adapter.2.weight": (48, 12)}
    assert learner.state_dict().keys() == shapes.keys()
    assert learner.optim == Optim()


def test_without_the_adapters_share_it_is_zero_shot(clip):
    learner, zero_shot = CLIPAdapter(clip, NAMES, template=OWN, ratio=0), ZeroShot(clip, NAMES, template=OWN)
    torch.testing.assert_close(learner(unit(4, clip)), zero_shot(unit(4, clip)), atol=1e-4, rtol=0)


def test_other_names_share_the_trained_adapter(clip):
    learner = CLIPAdapter(clip, NAMES, template=OWN, ratio=0.5)
    other = learner.rebind(["car"], "{} texture.")
    with torch.no_grad():
        learner.adapter[0].weight.mul_(-1)
    expected = clip.logit_scale * learner.adapted(unit(4, clip)) @ clip.encode_texts(["car texture."]).T
    torch.testing.assert_close(other(unit(4, clip)), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratio": 1.2}, r"ratio=1.2\): a number from 0 to 1 is needed"),
        ({"reduction": 0}, r"reduction=0\): a whole number from 1 to 65,536"),
        ({"reduction": 49}, "reduction=49"),
        ({"template": "a photo"}, "exactly one {}"),
    ],
)
def test_bad_arguments_are_named(clip, arguments, message):
    with pytest.raises(ValueError, match=message):
        CLIPAdapter(clip, NAMES, **arguments)
