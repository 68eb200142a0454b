"""MMRL against its formula by hand, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import MMRL, Batch
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of
from tests.helpers.two_heads import heads_held

LAYERS = {"first_layer": 2, "last_layer": 2, "rep_dim": 16, "n_tokens": 3}
NAMES = class_names(3)


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("mmrl")


@pytest.fixture(scope="module")
def learner():
    """A small one whose every tensor has moved."""
    made = MMRL(tiny_clip(), NAMES, **LAYERS, weight=2.0, alpha=0.6)
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return made


def scale(name):
    return {"tokens": 0.02, "token_head": 0.125}.get(name, 0.05 if name.endswith("bias") else 0.1)


def test_the_authors_numbers(golden):
    expected, template = golden.of("mmrl"), golden.metadata["template"]
    learner = MMRL(golden.clip, golden.names, template=template, rep_dim=32, first_layer=2, last_layer=4)
    names = learner.authors_names()
    for name, parameter in learner.named_parameters():
        parameter.data = golden.drawn(names[name], parameter.shape, scale(name))
    images = golden.drawn("images", (6, 3, 32, 32), 1.0)
    close(learner.text_features().detach(), expected["text_features"], 1e-5)
    close(learner.image_features(images)[0].detach(), expected["image_features"], 1e-5)
    close(learner.rebind(golden.names[::-1], template)(images).detach().flip(1), expected["logits"], 1e-5)
    heads_held(learner, images, golden.labels, expected)
    fused = expected | {"logits": expected["logits_fusion"]}
    hold(learner, names, Batch(images, golden.labels), fused, after=1e-3)


def by_hand(learner, images):
    """f, r and g, one class, one image and one layer at a time, tokens before the second layer alone."""
    clip, model = learner.clip, learner.clip.model
    own = {tower: learner.projections[tower][0](learner.tokens) for tower in ("text", "vision")}
    texts = []
    for name in NAMES:
        ids = clip.tokenizer(f"a photo of a {name}.")[0]
        end = int(ids.argmax())
        x = model.token_embedding(ids) + model.positional_embedding
        for layer, block in enumerate(model.transformer.resblocks):
            if layer == 1:
                x = torch.cat([x[:1], own["text"], x[1:]])
            mask = torch.full((len(x), len(x)), -torch.inf).triu(1)
            x = block(x[None], attn_mask=mask)[0]
        texts.append(model.ln_final(x)[end + 3] @ model.text_projection)
    visual, pairs = model.visual, []
    for image in images:
        patches = visual.conv1(image[None])[0].flatten(1).T
        x = visual.ln_pre(torch.cat([visual.class_embedding[None], patches]) + visual.positional_embedding)
        x = visual.transformer.resblocks[0](x[None])[0]
        x = visual.ln_post(visual.transformer.resblocks[1](torch.cat([x[:1], own["vision"], x[1:]])[None])[0])
        pairs.append((x[0] @ visual.proj, x[1:4].mean(0) @ learner.token_head))
    return [F.normalize(torch.stack(rows), dim=-1) for rows in (*zip(*pairs, strict=True), texts)]


def test_the_formula_written_out(learner):
    clip, images, labels = learner.clip, pictures(), torch.tensor([0, 1, 2, 1])
    f, r, g = by_hand(learner, images)
    z, z_r = clip.logit_scale * f @ g.T, clip.logit_scale * r @ g.T
    torch.testing.assert_close(learner(images), 0.6 * z + 0.4 * z_r, atol=1e-3, rtol=0)
    e = F.normalize(clip.model.encode_image(images), dim=-1)
    h = clip.encode_texts([f"a photo of a {name}." for name in NAMES])
    far = sum(1 - f[i] @ e[i] for i in range(4)) / 4 + sum(1 - g[c] @ h[c] for c in range(3)) / 3
    expected = 0.6 * F.cross_entropy(z, labels) + 0.4 * F.cross_entropy(z_r, labels) + 2 * far
    torch.testing.assert_close(learner.loss(Batch(images, labels)), expected, atol=1e-4, rtol=1e-4)


def test_classes_it_was_not_trained_on_are_scored_by_the_image_alone(learner):
    images = pictures()
    f, _, g = by_hand(learner, images)
    alone, fused = learner.clip.logit_scale * f @ g.T, learner(images)
    mixed = learner.extend([NAMES[0], "tree", NAMES[2]], own=[0, None, None])
    torch.testing.assert_close(mixed(images)[:, [0, 2]], torch.stack([fused[:, 0], alone[:, 2]], 1), atol=1e-3, rtol=0)
    other = learner.select([2, 0]).tested_on("imagenet_r", "imagenet")
    torch.testing.assert_close(other.scorer()(images), alone[:, [2, 0]], atol=1e-3, rtol=0)
    assert learner.tested_on("imagenet", "imagenet") is learner


def test_all_maps_of_a_tower_start_alike():
    learner = MMRL(tiny_clip(), ["cat"], rep_dim=8, first_layer=1, last_layer=2)
    for maps in learner.projections.values():
        assert torch.equal(maps[0].weight, maps[1].weight)
        assert torch.equal(maps[0].bias, maps[1].bias)


@pytest.mark.parametrize(
    ("protocol", "dataset", "settings"),
    [
        ("base_to_new", "dtd", (4, 10, 1, 6, 512)),
        ("base_to_new", "eurosat", (4, 10, 1, 0.01, 2048)),
        ("base_to_new", "imagenet", (32, 5, 1, 0.5, 512)),
        ("few_shot", "oxford_pets", (32, 50, 1, 0.2, 512)),
        ("few_shot", "imagenet", (32, 5, 1, 0.5, 512)),
        ("cross_dataset", "imagenet", (32, 1, 0, 0.2, 512)),
        ("domain_generalization", "imagenet", (32, 1, 0, 0.2, 512)),
    ],
)
def test_the_recipe_is_the_papers(protocol, dataset, settings):
    words = [f"protocol={protocol}", f"dataset={dataset}", "learner=mmrl", "backbone=vit_b16"]
    arguments = settings_of(words).learner.arguments
    optim = arguments["optim"].arguments
    lengths = (optim["batch_size"], optim["epochs"], optim["warmup_epochs"])
    assert (*lengths, arguments["weight"], arguments["rep_dim"]) == settings
    assert (arguments["first_layer"], arguments["last_layer"], optim["name"], optim["lr"]) == (6, 12, "adamw", 0.001)
    assert (arguments["n_tokens"], arguments["alpha"], arguments["optim"].make().weight_decay) == (5, 0.7, 5e-4)
    assert MMRL.crop_scale == (0.5, 1.0)
    if (protocol, dataset) == ("base_to_new", "dtd"):
        assert arguments["optim"].make() == MMRL(tiny_clip(), NAMES, **LAYERS).optim


def test_the_weights_are_the_authors():
    """Their table by dataset, whole."""
    table = {
        "stanford_cars": 7, "fgvc_aircraft": 6, "sun397": 6, "dtd": 6, "food101": 5, "oxford_flowers": 4, "ucf101": 3,
        "imagenet": 0.5, "caltech101": 0.5, "oxford_pets": 0.2, "eurosat": 0.01,
    }  # fmt: skip
    for protocol in ("base_to_new", "few_shot"):
        words = [f"protocol={protocol}", "learner=mmrl", "backbone=vit_b16"]
        found = {name: settings_of([f"dataset={name}", *words]).learner.arguments["weight"] for name in table}
        assert found == table


def test_tokens_and_head_start_from_normal_draws():
    learner = MMRL(tiny_clip(), ["cat"], n_tokens=50, rep_dim=100, first_layer=1, last_layer=1)
    assert float(learner.tokens.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(learner.token_head.detach().std()) == pytest.approx(learner.clip.vision_width**-0.5, rel=0.1)


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="last_layer=12: tiny has 3 text layers and 2 image layers, 2 can have tokens"):
        MMRL(tiny_clip(), ["cat"])
    with pytest.raises(ValueError, match="first_layer=3 is above last_layer=2"):
        MMRL(tiny_clip(), ["cat"], first_layer=3, last_layer=2)
