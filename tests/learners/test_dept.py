"""DePT against its formula row by row, and against what the authors' code computed."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import load_clip
from promptlab.learners import Batch, CLIPAdapter, CoCoOp, CoOp, DePT, KgCoOp, MaPLe, ProGrad, TipAdapter
from promptlab.learners.base.optim import Optim
from promptlab.support.errors import UsageError
from tests.helpers.images import pictures
from tests.helpers.models import class_names, freeze, rule_model, tiny_clip
from tests.helpers.prompts_golden import close, prompts_golden
from tests.helpers.settings import settings_of

THEIRS = {
    "image_scale": "film_lp_img.scale", "image_bias": "film_lp_img.bias", "text_scale": "film_lp_text.scale",
    "text_bias": "film_lp_text.bias", "head_weight": "linear_probe_proj.weight", "head_bias": "linear_probe_proj.bias",
    "inner.ctx": "prompt_learner.ctx", "inner.projection.weight": "prompt_learner.proj.weight",
    "inner.projection.bias": "prompt_learner.proj.bias",
    **{f"inner.deep_ctx.{i}": f"prompt_learner.compound_prompts_text.{i}" for i in range(2)},
    **{f"inner.deep_projections.{i}.{part}": f"prompt_learner.compound_prompt_projections.{i}.{part}"
       for i in range(2) for part in ("weight", "bias")},
}  # fmt: skip
OPTIM = Optim(lr=0.0035, epochs=10, batch_size=4)
INNER = {
    "coop": partial(CoOp, n_ctx=4, optim=OPTIM),
    "kgcoop": partial(KgCoOp, teacher_template="a centered satellite photo of {}.", weight=2.0, optim=OPTIM),
    "maple": partial(MaPLe, n_ctx=2, depth=3, optim=OPTIM),
}


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("dept")


def by_their_rule(golden, name, shape):
    """A parameter of theirs: their name tells its scale."""
    if name.endswith("scale"):
        return 1 + golden.drawn(name, shape, 0.1)
    small = {"prompt_learner.ctx": 0.02, "prompt_learner.proj.bias": 0.05}
    if "compound_prompts_text" in name:
        return golden.drawn(name, shape, 0.02)
    if "compound_prompt_projections" in name and name.endswith("bias"):
        return golden.drawn(name, shape, 0.05)
    return golden.drawn(name, shape, small.get(name, 0.1))


def same(found, expected, name):
    """A tensor, or its norm and first entries."""
    if name in expected:
        close(found, expected[name], 1e-4)
        return
    torch.testing.assert_close(found.norm(), expected[f"{name}.norm"], atol=0, rtol=1e-4)
    close(found.flatten()[:64], expected[f"{name}.head"], 1e-4)


def parts_held(learner, sides, labels, expected):
    """The head's logits, in training and of images, and what the loss is made of."""
    with torch.no_grad():
        texts = learner.text_scale * sides.texts[labels] + learner.text_bias
        images = learner.image_scale * sides.images + learner.image_bias
        rows = torch.cat([texts, images]) @ learner.head_weight.T + learner.head_bias
        parts = {
            "ce": F.cross_entropy(learner.clip.as_logits(sides.similarities()), labels),
            "probe": F.cross_entropy(rows, labels.repeat(2)),
        }
        if "loss.kg" in expected:
            close(learner.inner.teacher.text_features(), expected["teacher.text_features"], 1e-5)
            parts["kg"] = learner.inner.regulariser(sides) / learner.inner.weight
    torch.testing.assert_close(rows, expected["logits_probe_train"], atol=1e-4, rtol=0)
    torch.testing.assert_close(rows[len(labels) :], expected["logits_probe"], atol=1e-4, rtol=0)
    for name, part in parts.items():
        torch.testing.assert_close(part, expected[f"loss.{name}"], atol=1e-5, rtol=1e-5)
    if "raw_image_features" in expected:
        close(sides.images.detach(), expected["raw_image_features"], 1e-5)


@pytest.mark.parametrize("case", INNER)
def test_the_authors_numbers(golden, case):
    expected, clip = golden.of(f"dept.{case}"), golden.clip
    if case == "maple":
        sizes = {"embed_dim": 48, "text_width": 96, "text_heads": 4, "text_layers": 4, "vision_layers": 4}
        clip = freeze(rule_model(golden.salt, **sizes), "golden with four layers")
    learner = DePT(clip, golden.names, inner=INNER[case])
    parameters = dict(learner.named_parameters())
    for name, parameter in parameters.items():
        kept = expected.get(THEIRS[name])
        drawn = by_their_rule(golden, THEIRS[name], parameter.shape)
        parameter.data = drawn if kept is None else kept.clone()
    name, shape = ("images", (6, 3, 32, 32)) if case == "maple" else ("image_features_raw", (6, 48))
    inputs = golden.drawn(name, shape, 1.0)
    batch = Batch(inputs, golden.labels)
    sides = learner.inner.sides(inputs)
    close(sides.texts.detach(), expected["raw_text_features"], 1e-5)
    torch.testing.assert_close(learner.clip.as_logits(sides.similarities()), expected["logits"], atol=1e-4, rtol=0)
    parts_held(learner, sides, golden.labels, expected)
    torch.testing.assert_close(learner(inputs), expected["logits_fused"], atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.scorer()(inputs), expected["logits_fused"], atol=1e-4, rtol=0)
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    for name, gradient in zip(parameters, torch.autograd.grad(loss, parameters.values()), strict=True):
        same(gradient, expected, f"grad.{THEIRS[name]}")
    (stage,) = learner.fit_plan()
    optimiser = stage.optim.build_groups(stage.all_groups())
    for group, factor in zip(optimiser.param_groups, (1.0, 6.5), strict=True):
        group["lr"] = 0.0035 * factor
    for _ in range(3):
        optimiser.zero_grad()
        learner.loss(batch).backward()
        optimiser.step()
    for name, parameter in parameters.items():
        same(parameter.detach(), expected, f"after_3_steps.{THEIRS[name]}")


@pytest.mark.parametrize("kind", [CoOp, CoCoOp])
def test_losses_and_scores_are_the_papers(kind):
    """Row by row; an image of CoCoOp brings the text features of its own prompts."""
    clip, names = tiny_clip(), class_names(4)
    learner = DePT(clip, names, inner=partial(kind, n_ctx=2, ctx_init=None), weight=0.4)
    for parameter in learner.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    x, labels = 3 * torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 2])
    rows_of_texts, rows_of_images, similar = [], [], []
    for image, label in zip(x, labels, strict=True):
        w = learner.inner.sides(image[None]).texts.reshape(4, -1)
        z = clip.logit_scale * F.cosine_similarity(image[None], w, dim=-1)
        u, v = learner.image_scale * image + learner.image_bias, learner.text_scale * w[label] + learner.text_bias
        rows_of_images.append(learner.head_weight @ u + learner.head_bias)
        rows_of_texts.append(learner.head_weight @ v + learner.head_bias)
        similar.append(z)
    rows, z = torch.stack(rows_of_texts + rows_of_images), torch.stack(similar)
    expected = 0.6 * F.cross_entropy(z, labels) + 0.4 * F.cross_entropy(rows, torch.cat([labels, labels]))
    torch.testing.assert_close(learner.loss(Batch(x, labels)), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(learner(x), 0.6 * z + 0.4 * torch.stack(rows_of_images), atol=1e-4, rtol=0)


def test_new_names_are_scored_without_the_head():
    clip, names = tiny_clip(), class_names(4)
    learner = DePT(clip, names, inner=partial(CoOp, n_ctx=2))
    x = 3 * torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(1))
    plain = learner.inner.rebind(["bus", "tree"])
    torch.testing.assert_close(learner.rebind(["bus", "tree"])(x), plain(F.normalize(x, dim=-1)), atol=1e-4, rtol=0)
    joint = learner.extend([names[1], "bus"])
    torch.testing.assert_close(
        joint(x), learner.inner.extend([names[1], "bus"])(F.normalize(x, dim=-1)), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(joint.scorer()(x), joint(x), atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.extend(names[:2])(x), learner(x)[:, :2], atol=1e-4, rtol=0)


def test_an_inner_learner_without_sides_is_named():
    with pytest.raises(TypeError, match="TipAdapter"):
        DePT(tiny_clip(), ["cat", "dog"], inner=TipAdapter)


@pytest.mark.parametrize(("inner", "lr", "batch"), [("coop", 0.0035, 4), ("cocoop", 0.002, 1), ("maple", 0.0035, 4)])
def test_the_recipe_is_the_papers(inner, lr, batch):
    arguments = settings_of(["learner=dept", f"inner={inner}", "backbone=vit_b16"]).learner.arguments
    optim = arguments["inner"].arguments["optim"].arguments
    assert (optim["lr"], optim["batch_size"], optim["epochs"]) == (lr, batch, 10)
    assert (arguments["weight"], arguments["lr_factor"]) == (0.7, 6.5)
    paper = settings_of(["experiment=dept_base_to_new", "dataset=dtd"]).learner.arguments
    assert paper["inner"].arguments["weight"] == 2


@pytest.mark.parametrize(
    ("words", "published"),
    [
        (["inner.n_ctx=16"], {"n_ctx": 16, "ctx_init": None}),
        (["inner=kgcoop", "inner.weight=2"], {"ctx_init": "a photo of a", "weight": 2}),
        (["inner=maple", "inner.depth=9", "protocol=cross_dataset"], {"n_ctx": 2, "depth": 9}),
    ],
)
def test_what_the_docstring_says_of_the_authors_start_can_be_asked_for(words, published):
    inner = settings_of(["learner=dept", "backbone=vit_b16", "dataset=imagenet", *words]).learner.arguments["inner"]
    assert {key: inner.arguments[key] for key in published} == published


def test_images_pass_through_maple():
    learner = DePT(tiny_clip(), class_names(3), inner=partial(MaPLe, depth=1))
    assert learner.needs == "images"
    assert learner(pictures()[:2]).shape == (2, 3)


@pytest.mark.parametrize("inner", [CLIPAdapter, ProGrad])
def test_a_learner_without_sides_is_refused_before_it_trains(inner):
    with pytest.raises(UsageError, match=f"{inner.__name__} doesn't say .* use inner=coop"):
        DePT(load_clip("demo"), ["red circle", "blue star"], inner=inner)
