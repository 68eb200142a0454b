"""KgCoOp against the paper's formula written out, its teacher, and its recipe."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, CoOp, KgCoOp, ZeroShot
from promptlab.learners.base.optim import Optim
from tests.helpers.models import class_names, full_encode, full_prompts, tiny_clip
from tests.helpers.settings import settings_of

TEMPLATE = "a centered satellite photo of {}."


def batch_of(clip, classes, count=6):
    inputs = F.normalize(torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    return Batch(inputs, torch.arange(count) % classes)


def by_hand(learner, batch, template):
    """Cross-entropy plus half of the weight times the mean squared distance to the teacher, class by class."""
    clip, names = learner.clip, learner.class_names
    learned = full_encode(clip.model, *full_prompts(clip, names, learner.ctx))
    distances, entropies = [], []
    for name, feature in zip(names, learned, strict=True):
        teacher = clip.model.encode_text(clip.tokenizer([template.replace("{}", name.replace("_", " "))]))[0]
        distances.append((feature - teacher / teacher.norm()).square().sum())
    for image, label in zip(batch.inputs, batch.labels, strict=True):
        scores = [clip.model.logit_scale.exp() * (image * feature).sum() for feature in learned]
        entropies.append(torch.stack(scores).logsumexp(0) - scores[label])
    return sum(entropies) / len(entropies) + learner.weight / 2 * sum(distances) / len(distances)


@pytest.mark.parametrize("weight", [0.0, 1.5, 8.0])
def test_loss_and_gradient_are_the_papers(weight):
    clip, names = tiny_clip(), [*class_names(7), "sea_or_lake"]
    learner = KgCoOp(clip, names, template=TEMPLATE, weight=weight)
    learner.ctx.data += 0.1 * torch.randn(learner.ctx.shape, generator=torch.Generator().manual_seed(2))
    batch = batch_of(clip, len(names))
    loss, plain = learner.loss(batch), by_hand(learner, batch, TEMPLATE)
    torch.testing.assert_close(loss, plain, atol=1e-5, rtol=1e-5)
    (grad,), (expected,) = torch.autograd.grad(loss, learner.ctx), torch.autograd.grad(plain, learner.ctx)
    assert expected.norm() > 1e-3
    assert (grad - expected).norm() <= 1e-4 * expected.norm()


def test_only_the_loss_differs_from_coop():
    clip, names = tiny_clip(), class_names(5)
    batch, coop = batch_of(clip, 5), CoOp(clip, names, ctx_init="a photo of a")
    learner = KgCoOp(clip, names, template=TEMPLATE)
    assert torch.equal(learner(batch.inputs), coop(batch.inputs))
    assert learner.state_dict().keys() == {"ctx"}
    assert learner.loss(batch) > coop.loss(batch) + 0.01
    torch.testing.assert_close(KgCoOp(clip, names, weight=0.0).loss(batch), coop.loss(batch))


def test_text_features_are_computed_once_a_step():
    clip, calls = tiny_clip(), []
    learner = KgCoOp(clip, ["cat", "dog"])
    compute = learner.text_features
    learner.text_features = lambda: calls.append(1) or compute()
    learner.loss(batch_of(clip, 2))
    assert len(calls) == 1


def test_the_start_is_nearest_to_its_own_words():
    """With CoOp's words as template, nothing is lost at first."""
    clip = tiny_clip()
    learner, batch = KgCoOp(clip, ["cat", "dog"]), batch_of(clip, 2)
    torch.testing.assert_close(learner.loss(batch), CoOp(clip, ["cat", "dog"], ctx_init="a photo of a").loss(batch))


def test_teachers_follow_their_classes():
    clip, names = tiny_clip(), ["cat", "dog", "tree"]
    learner = KgCoOp(clip, names, template=TEMPLATE)
    own = learner.teacher.text_features()
    assert torch.equal(own, ZeroShot(clip, names, template=TEMPLATE).text_features())
    assert torch.equal(learner.select([2, 0]).teacher.text_features(), own[[2, 0]])
    other = learner.rebind(["car", "boat"], "{} texture.")
    assert torch.equal(
        other.teacher.text_features(), ZeroShot(clip, ["car", "boat"], template="{} texture.").text_features()
    )
    assert other.ctx is learner.ctx
    for made in (learner.select([2, 0]), other):
        batch = batch_of(clip, 2)
        template = "{} texture." if made is other else TEMPLATE
        torch.testing.assert_close(made.loss(batch), by_hand(made, batch, template), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1.0}, r"weight=-1.0\): a number from 0"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"template": "a photo"}, "exactly one {} for the class name"),
        ({"n_ctx": 8}, "n_ctx=8, but ctx_init"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        KgCoOp(tiny_clip(), ["cat"], **arguments)


def test_recipe_is_the_papers():
    assert KgCoOp(tiny_clip(), ["cat"]).optim == Optim(epochs=100, batch_size=128)
    settings = settings_of(["experiment=kgcoop_base_to_new", "dataset=eurosat"])
    learner = settings.learner.arguments
    assert (learner["ctx_init"], learner["teacher_template"], learner["weight"]) == ("a photo of a", None, 8.0)
    assert learner["optim"].make() == Optim(epochs=100, batch_size=128, lr=0.002)
    assert settings.backbone.arguments["name"] == "ViT-B-16-quickgelu"
    teacher = settings_of(["learner=kgcoop", "dataset=dtd"]).learner.arguments["teacher_template"]
    assert teacher == "a photo of a {}, a type of texture."
