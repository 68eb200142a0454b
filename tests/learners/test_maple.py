"""MaPLe against its formula run by hand through open_clip's modules, its start, its refusals and its recipe."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from promptlab.learners import Batch, MaPLe
from promptlab.learners.base.optim import Optim
from tests.helpers.images import pictures, prompted_by_hand
from tests.helpers.models import class_names, freeze, rule_model, tiny_clip
from tests.helpers.settings import settings_of


@pytest.fixture(scope="module")
def tiny():
    return tiny_clip()


@pytest.fixture(scope="module")
def deeper():
    return freeze(rule_model(3, embed_dim=48, text_width=32, text_heads=4, text_layers=5, vision_layers=4), "deeper")


def text_by_hand(learner, text):
    """The class prompts ``text`` + name as 77 token embeddings each, positions 1..M learned: normalised (C, D)."""
    model, M = learner.clip.model, len(learner.ctx)
    tokens = learner.clip.tokenizer([f"{text} {name.replace('_', ' ')}." for name in learner.class_names])  # (C, 77)
    words = model.token_embedding(tokens)
    x = torch.stack([torch.cat([sentence[:1], learner.ctx, sentence[1 + M :]]) for sentence in words])
    x = x + model.positional_embedding
    for layer, block in enumerate(model.transformer.resblocks):
        if 0 < layer <= len(learner.deep_ctx):
            x = torch.stack([torch.cat([seen[:1], learner.deep_ctx[layer - 1], seen[1 + M :]]) for seen in x])
        x = block(x, attn_mask=model.attn_mask)
    x = model.ln_final(x)[torch.arange(len(x)), tokens.argmax(-1)]
    return F.normalize(x @ model.text_projection, dim=-1)


def by_hand(learner, images, text="a photo of a"):
    """Logits (B, C)."""
    prompts = {0: learner.ctx @ learner.projection.weight.T + learner.projection.bias}
    for layer, (context, linear) in enumerate(zip(learner.deep_ctx, learner.deep_projections, strict=True), start=1):
        prompts[layer] = context @ linear.weight.T + linear.bias
    features = prompted_by_hand(learner.clip.model, images, prompts)
    return learner.clip.model.logit_scale.exp() * features @ text_by_hand(learner, text).T


def lively(learner):
    """The learner with every parameter moved away from its start."""
    generator = torch.Generator().manual_seed(4)
    for parameter in learner.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return learner


def compare(learner, text="a photo of a"):
    images, labels = pictures(), torch.arange(4) % len(learner.class_names)
    torch.testing.assert_close(learner(images), by_hand(learner, images, text), atol=1e-4, rtol=0)
    parameters = dict(learner.named_parameters())
    grads = torch.autograd.grad(learner.loss(Batch(images, labels)), list(parameters.values()))
    plain = torch.autograd.grad(F.cross_entropy(by_hand(learner, images, text), labels), list(parameters.values()))
    for name, grad, expected in zip(parameters, grads, plain, strict=True):
        assert expected.norm() > 1e-5, name
        assert (grad - expected).norm() <= 2e-4 * expected.norm(), name


@pytest.mark.parametrize("M", [1, 2])
@pytest.mark.parametrize("depth", [1, 2])
def test_logits_and_gradients_are_those_by_hand(tiny, depth, M):
    compare(lively(MaPLe(tiny, [*class_names(5), "sea_or_lake"], depth=depth, n_ctx=M)))


@pytest.mark.parametrize("depth", [3, 4])
def test_layers_beyond_the_depth_keep_what_they_get(deeper, depth):
    compare(lively(MaPLe(deeper, class_names(4), depth=depth)))


@pytest.mark.parametrize(
    ("arguments", "M", "text"),
    [
        ({"n_ctx": None}, 4, "a photo of a"),
        ({"ctx_init": None}, 2, "X X"),
        ({"ctx_init": None, "n_ctx": 3}, 3, "X X X"),
        ({"ctx_init": "this_is_a"}, 2, "this is a"),
        ({"ctx_init": "an electroencephalogram of", "n_ctx": 1}, 1, "an electroencephalogram of"),
    ],
)
def test_words_beyond_the_context_stay_fixed(tiny, arguments, M, text):
    learner = lively(MaPLe(tiny, ["cat", "red star"], depth=2, **arguments))
    assert learner.ctx.shape == (M, 32)
    assert learner.class_names == ("cat", "red star")
    compare(learner, text)


def test_other_names_keep_the_prompts(tiny):
    learner = lively(MaPLe(tiny, ["cat", "red star", "dog"], depth=2))
    compare(learner.rebind(["old boat", "lake"], "unused {}"))
    compare(learner.select([2, 0]))
    assert learner.select([2, 0]).deep_ctx is learner.deep_ctx


def test_the_start(deeper):
    learner = MaPLe(deeper, ["cat"], depth=4)
    assert torch.equal(learner.ctx, deeper.text_tower.embed(deeper.encode_words("a photo")))
    drawn = torch.cat(
        [context.detach() for context in MaPLe(deeper, ["cat"], n_ctx=64, ctx_init=None, depth=4).deep_ctx]
    )
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.05)
    assert len({float(context.detach()[0, 0]) for context in learner.deep_ctx}) == 3
    first, *others = learner.deep_projections
    for other in others:
        assert torch.equal(first.weight, other.weight)
        assert torch.equal(first.bias, other.bias)
        assert first.weight is not other.weight
    assert not torch.equal(first.weight, learner.projection.weight)
    again = MaPLe(deeper, ["cat"], depth=4, generator=torch.Generator().manual_seed(9))
    assert not torch.equal(again.projection.weight, learner.projection.weight)


def test_what_trains(deeper):
    """Context vectors and a linear map for each layer; at ViT-B/16's widths these are the paper's 3.55 million."""

    def parameters(depth, M, E, V):
        return depth * (M * E + E * V + V)

    learner = MaPLe(deeper, ["cat"], depth=4)
    assert sum(p.numel() for p in learner.parameters()) == parameters(4, 2, 32, 64)
    assert parameters(9, 2, 512, 768) == 3_555_072


def test_the_scorer_computes_the_text_side_once(tiny):
    learner, calls = MaPLe(tiny, ["cat", "dog"], depth=2), []
    learner.projection.register_forward_hook(lambda *_: calls.append("projection"))
    encode = learner.text_features
    learner.text_features = lambda: calls.append("text") or encode()
    score = learner.scorer()
    with torch.no_grad():
        scores = score(pictures())
        assert torch.equal(score(pictures()), scores)
    assert sorted(calls) == ["projection", "text"]
    torch.testing.assert_close(scores, by_hand(learner, pictures()), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "depth=9: from 1 to 2 layers can have prompts, as tiny has 3 text layers and 2 image layers"),
        ({"depth": 3}, "depth=3: from 1 to 2"),
        ({"depth": 0}, r"depth=0\): a whole number from 1"),
        ({"depth": 2, "n_ctx": 5}, "n_ctx=5, but ctx_init='a photo of a' has 4 words"),
        ({"depth": 2, "n_ctx": 0}, r"n_ctx=0\): a whole number from 1"),
        ({"depth": 2, "n_ctx": 1, "ctx_init": "electroencephalogram of"}, "n_ctx=1, but ctx_init='electroenceph"),
    ],
)
def test_bad_arguments_are_named(tiny, arguments, message):
    with pytest.raises(ValueError, match=message):
        MaPLe(tiny, ["cat"], **arguments)


def test_the_text_tower_bounds_the_depth_too():
    shallow = tiny_clip(layers=1)
    with pytest.raises(ValueError, match="from 1 to 1 layers can have prompts, as tiny has 1 text layers and 2 image"):
        MaPLe(shallow, ["cat"], depth=2)


def test_resnets_are_refused_at_once():
    with pytest.raises(UnsupportedBackboneError, match=r"tiny can't take image prompts: .*ModifiedResNet"):
        MaPLe(tiny_clip(resnet=True), ["cat"], depth=1)


def test_recipe_is_the_papers(tiny):
    assert MaPLe(tiny, ["cat"], depth=2).optim == Optim(lr=0.0035, batch_size=4, epochs=5, warmup_epochs=1)
    learner = settings_of(["experiment=maple_base_to_new", "dataset=eurosat"]).learner.arguments
    assert (learner["n_ctx"], learner["ctx_init"], learner["depth"]) == (2, "a photo of a", 9)
    assert learner["optim"].make() == Optim(lr=0.0035, batch_size=4, epochs=5, warmup_epochs=1)
    assert settings_of(["learner=maple", "protocol=few_shot"]).learner.arguments["depth"] == 4
    for protocol in ("cross_dataset", "domain_generalization"):
        learner = settings_of(["learner=maple", f"protocol={protocol}"]).learner.arguments
        assert (learner["depth"], learner["optim"].make().epochs, learner["optim"].make().lr) == (3, 2, 0.0026)
    shallow = settings_of(["learner=maple", "backbone.about.layers=2"])
    assert shallow.learner.arguments["depth"] == 2
