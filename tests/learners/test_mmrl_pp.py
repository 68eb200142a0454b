"""MMRL++ against its formula by hand, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, MMRLPlusPlus
from promptlab.learners.base.marks import marks_of
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of
from tests.helpers.two_heads import heads_held

NAMES = class_names(3)


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("mmrl")


@pytest.fixture(scope="module")
def learner():
    """A small one whose every tensor has moved."""
    betas = {"imagenet_r": 0.25}
    made = MMRLPlusPlus(
        tiny_clip(), NAMES, first_layer=1, last_layer=2, rep_dim=16, n_tokens=3, beta=0.7, target_betas=betas,
        residual_rank=2, head_rank=2,
    )  # fmt: skip
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return made


def test_the_authors_numbers(golden):
    expected, template = golden.of("mmrlpp"), golden.metadata["template"]
    learner = MMRLPlusPlus(
        golden.clip, golden.names, template=template, rep_dim=32, first_layer=2, last_layer=4, beta=0.6, weight=0.5,
        head_rank=8,
    )  # fmt: skip
    names = learner.authors_names()
    for name, parameter in learner.named_parameters():
        scale = 0.02 if name == "tokens" else 0.05 if "biases" in name else 0.1
        parameter.data = golden.drawn(names[name], parameter.shape, scale)
    images = golden.drawn("images", (6, 3, 32, 32), 1.0)
    close(learner.text_features().detach(), expected["text_features"], 1e-5)
    close(learner.image_features(images)[0].detach(), expected["image_features"], 1e-5)
    close(learner.tested_on("dtd", "imagenet")(images).detach(), expected["logits"], 1e-5)
    heads_held(learner, images, golden.labels, expected)
    fused = expected | {"logits": expected["logits_fusion"]}
    hold(learner, names, Batch(images, golden.labels), fused, after=1e-3)


def by_hand(learner, images, beta):
    """f and r, one image and one layer at a time."""
    visual, maps, pairs = learner.clip.model.visual, learner.projections["vision"], []
    own = [
        learner.tokens @ (maps.weight + maps.residuals[j].A @ maps.residuals[j].B).T + maps.biases[j] for j in range(2)
    ]
    head = visual.proj + learner.residual.A @ learner.residual.B
    for image in images:
        patches = visual.conv1(image[None])[0].flatten(1).T
        x = visual.ln_pre(torch.cat([visual.class_embedding[None], patches]) + visual.positional_embedding)
        x = visual.transformer.resblocks[0](torch.cat([x[:1], own[0], x[1:]])[None])[0]
        x = torch.cat([x[:1], beta * own[1] + (1 - beta) * x[1:4], x[4:]])
        x = visual.ln_post(visual.transformer.resblocks[1](x[None])[0])
        pairs.append((x[0] @ visual.proj, x[1:4].mean(0) @ head))
    return [F.normalize(torch.stack(rows), dim=-1) for rows in zip(*pairs, strict=True)]


def test_the_formula_written_out(learner):
    images = pictures()
    for found, expected in zip(learner.image_features(images), by_hand(learner, images, 0.7), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_published_betas_are_of_other_datasets_and_marked(learner):
    images = pictures()
    expected, _ = by_hand(learner, images, 0.25)
    other = learner.tested_on("imagenet_r", "imagenet")
    torch.testing.assert_close(other.image_features(images)[0], expected, atol=1e-4, rtol=0)
    betas = [learner.tested_on(name, "imagenet").beta for name in ("imagenet", "dtd", "imagenet_r")]
    assert (betas, learner.beta) == ([0.7, 0.7, 0.25], 0.7)
    assert marks_of(learner) == ("selected_on_test",)
    assert marks_of(MMRLPlusPlus(learner.clip, NAMES, first_layer=1, last_layer=2)) == ()


def test_it_begins_with_maps_that_differ_by_nothing():
    learner = MMRLPlusPlus(tiny_clip(), NAMES, first_layer=1, last_layer=2, rep_dim=8)
    for maps in learner.projections.values():
        first, second = maps(learner.tokens)
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("protocol", "dataset", "settings"),
    [
        ("base_to_new", "dtd", (4, 10, 1, 0.001, 7, 0.9)),
        ("base_to_new", "food101", (4, 10, 1, 0.001, 1, 0.1)),
        ("few_shot", "eurosat", (32, 100, 1, 0.002, 0.01, 0.2)),
        ("few_shot", "imagenet", (32, 5, 1, 0.001, 0.2, 0.9)),
        ("cross_dataset", "imagenet", (32, 1, 0, 0.001, 0.1, 0.9)),
    ],
)
def test_the_recipe_is_the_papers(protocol, dataset, settings):
    words = [f"protocol={protocol}", f"dataset={dataset}", "learner=mmrl_pp", "backbone=vit_b16"]
    arguments = settings_of(words).learner.arguments
    optim = arguments["optim"].arguments
    found = (
        *(optim[key] for key in ("batch_size", "epochs", "warmup_epochs", "lr")),
        arguments["weight"],
        arguments["beta"],
    )
    assert found == settings
    assert (arguments["target_betas"], arguments["rep_dim"], arguments["first_layer"]) == (None, 512, 6)
    assert (arguments["n_tokens"], arguments["residual_rank"], arguments["head_rank"]) == (5, 4, 64)
    assert (arguments["alpha"], optim["weight_decay"], optim["name"]) == (0.7, 5e-4, "adamw")
    if (protocol, dataset) == ("base_to_new", "dtd"):
        made = MMRLPlusPlus(tiny_clip(), NAMES, first_layer=1, last_layer=2, rep_dim=8)
        assert arguments["optim"].make() == made.optim


def test_betas_and_weights_are_the_authors():
    """Their table by dataset, whole."""
    table = {
        "imagenet": (0.9, 0.2), "fgvc_aircraft": (0.9, 2), "ucf101": (0.9, 3), "dtd": (0.9, 7),
        "oxford_pets": (0.7, 0.01), "stanford_cars": (0.7, 6), "caltech101": (0.6, 3), "sun397": (0.5, 3),
        "oxford_flowers": (0.4, 7), "eurosat": (0.2, 0.01), "food101": (0.1, 1),
    }  # fmt: skip
    for name, published in table.items():
        arguments = settings_of([f"dataset={name}", "learner=mmrl_pp", "backbone=vit_b16"]).learner.arguments
        assert (name, arguments["beta"], arguments["weight"]) == (name, *published)


def test_residuals_start_from_a_uniform_draw_and_zeros():
    learner = MMRLPlusPlus(tiny_clip(), NAMES, first_layer=1, last_layer=2, n_tokens=50, rep_dim=100, residual_rank=4)
    assert float(learner.tokens.detach().std()) == pytest.approx(0.02, rel=0.05)
    for residual in (learner.residual, *learner.projections["text"].residuals):
        rank = residual.A.shape[1]
        assert 0.95 * rank**-0.5 < float(residual.A.detach().abs().max()) <= rank**-0.5
        assert not residual.B.any()


def test_the_published_betas_have_a_name():
    arguments = settings_of(
        ["protocol=cross_dataset", "dataset=imagenet", "learner=mmrl_pp_published"]
    ).learner.arguments
    assert arguments["beta"] == 0.9
    assert arguments["target_betas"] == {
        "imagenetv2": 0.9, "imagenet_r": 0.9, "imagenet_a": 0.8, "imagenet_sketch": 0.7, "fgvc_aircraft": 0.9,
        "ucf101": 0.9, "sun397": 0.7, "oxford_pets": 0.6, "caltech101": 0.6, "dtd": 0.5, "oxford_flowers": 0.4,
        "stanford_cars": 0.3, "eurosat": 0.3, "food101": 0.3,
    }  # fmt: skip
