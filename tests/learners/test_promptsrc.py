"""IVLP, VPT and PromptSRC against their formulas by hand, and against what the authors' code computed."""

import json

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from promptlab.learners import IVLP, VPT, Batch, PromptSRC
from promptlab.learners.promptsrc import gaussian_weights
from promptlab.prompts.class_texts import SIXTY_TEMPLATES
from promptlab.training.average import EpochAverage
from tests.helpers.images import pictures, prompted_by_hand
from tests.helpers.models import class_names, full_prompts, text_by_hand, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of

CASES = {
    "ivlp": {"n_ctx_text": 4, "n_ctx_vision": 4, "prompt_depth_text": 3, "prompt_depth_vision": 3},
    "ivlp.uneven": {"n_ctx_text": 2, "n_ctx_vision": 3, "prompt_depth_text": 3, "prompt_depth_vision": 2},
}


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("promptsrc")


def with_their_prompts(kind, golden, case):
    learner, expected = kind(golden.clip, golden.names, **CASES[case]), golden.of(case)
    theirs = learner.authors_names()
    close(learner.ctx.detach(), expected[theirs["ctx"]], 1e-6)  # from the words, as theirs
    for name, parameter in learner.named_parameters():
        parameter.data = expected[theirs[name]].clone()
    return learner, theirs


@pytest.mark.parametrize("case", CASES)
def test_ivlp_is_the_authors(golden, case):
    learner, theirs = with_their_prompts(IVLP, golden, case)
    hold(learner, theirs, Batch(golden.drawn("images", (6, 3, 32, 32), 1.0), golden.labels), golden.of(case))


def test_ivlp_written_out():
    """One class at a time through all 77 tokens, whose context changes before the second layer alone."""
    clip, names, images = tiny_clip(), class_names(3), pictures()
    depths = {"prompt_depth_text": 2, "prompt_depth_vision": 2}
    learner = IVLP(clip, names, n_ctx_text=2, n_ctx_vision=3, ctx_init="a photo of a", **depths)
    (deeper,) = learner.deep_ctx
    rows = []
    for prompt, end in zip(*full_prompts(clip, [f"of a {name}" for name in names], learner.ctx), strict=True):
        rows.append(text_by_hand(clip.model, prompt, end, {1: deeper}))
    features = prompted_by_hand(clip.model, images, dict(enumerate(learner.image_prompts.layers)))
    expected = clip.logit_scale * features @ torch.stack(rows).T
    torch.testing.assert_close(learner(images), expected, atol=1e-4, rtol=0)


def test_promptsrc_is_the_authors(golden):
    learner, theirs = with_their_prompts(PromptSRC, golden, "ivlp")
    expected, images = golden.of("promptsrc"), golden.drawn("images", (6, 3, 32, 32), 1.0)
    plain = golden.clip.encode_images(images)
    close(plain, expected["teacher.image_features"], 1e-5)
    close(learner.teacher_texts(), expected["teacher.text_features"], 1e-5)
    logits = golden.clip.logits(plain, learner.teacher_texts())
    torch.testing.assert_close(logits, expected["teacher.logits"], atol=1e-4, rtol=0)
    close(learner.image_features(images).detach(), expected["image_features"], 1e-5)
    close(learner.text_features().detach(), expected["text_features"], 1e-5)
    hold(learner, theirs, Batch(images, golden.labels), expected)


def test_each_term_is_the_authors(golden):
    """What a weight adds to the loss."""
    expected = golden.of("promptsrc.loss")
    batch = Batch(golden.drawn("images", (6, 3, 32, 32), 1.0), golden.labels)
    learner, _ = with_their_prompts(PromptSRC, golden, "ivlp")
    found = {}
    for weights in ((0, 0), (1, 0), (0, 1)):
        learner.text_loss_weight, learner.image_loss_weight = weights
        found[weights] = learner.loss(batch).detach()
    torch.testing.assert_close(found[0, 0], expected["ce"] + expected["logits_kl"], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found[1, 0] - found[0, 0], expected["text_l1"], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[0, 1] - found[0, 0], expected["image_l1"], atol=1e-5, rtol=0)
    ce = F.cross_entropy(learner(batch.inputs).detach(), batch.labels)
    torch.testing.assert_close(ce, expected["ce"], atol=1e-4, rtol=1e-5)


def test_the_mean_over_epochs_is_the_authors(golden):
    """Of their made-up parameters, by the part of training that averages."""
    for name, expected in golden.of("gpa.aggregated").items():
        ended = [golden.drawn(f"gpa.epoch{epoch}.{name}", expected.shape, 1.0) for epoch in range(1, 6)]
        parameter = torch.nn.Parameter(torch.zeros_like(expected))
        average = EpochAverage([parameter], gaussian_weights(5, mean=3, std=1))
        for epoch, value in enumerate(ended):
            parameter.data = value
            average.add(epoch)
        average.put()
        torch.testing.assert_close(parameter.detach(), expected, atol=1e-5, rtol=0)


def test_the_teacher_averages_sixty_templates_before_it_normalises(golden):
    assert list(SIXTY_TEMPLATES) == json.loads(golden.metadata["templates"])
    learner = PromptSRC(golden.clip, golden.names, **CASES["ivlp"])
    close(learner.teacher_texts(), F.normalize(golden.of("promptsrc")["teacher.text_mean"], dim=-1), 1e-5)


def test_a_term_at_a_time():
    """The loss is the sum of what its weights leave, written out element by element."""
    clip, names = tiny_clip(), class_names(4)
    depths = {"prompt_depth_text": 2, "prompt_depth_vision": 2}
    learner = PromptSRC(clip, names, **depths, text_loss_weight=3.0, image_loss_weight=2.0)
    for parameter in learner.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    images, labels = pictures()[:3], torch.tensor([0, 3, 1])
    sentences = [[template.replace("{}", name) for template in SIXTY_TEMPLATES] for name in names]
    raw = [clip.model.encode_text(clip.tokenizer(of_class)).mean(0) for of_class in sentences]
    h, e = torch.stack([t / t.norm() for t in raw]), F.normalize(clip.model.encode_image(images), dim=-1)
    torch.testing.assert_close(learner.teacher_texts(), h, atol=1e-6, rtol=0)
    f, g = learner.image_features(images), learner.text_features()
    scale = clip.model.logit_scale.exp()
    t, z = (scale * e @ h.T).softmax(-1), (scale * f @ g.T).softmax(-1)
    kl = sum(t[i, c] * (t[i, c] / z[i, c]).log() for i in range(3) for c in range(4)) / (3 * 4)
    expected = -z[range(3), labels].log().mean() + kl + 3 * (g - h).abs().mean() + 2 * (f - e).abs().mean()
    torch.testing.assert_close(learner.loss(Batch(images, labels)), expected, atol=1e-5, rtol=1e-5)


def test_epochs_are_weighted_as_the_authors_weight_them(golden):
    weights = golden.of("gpa.weights")
    published = {
        "base_to_new": (20, 15, 1), "cross_dataset": (20, 6, 10), "few_shot_general": (50, 30, 30),
        "few_shot_fine": (50, 45, 5),
    }  # fmt: skip
    for name, arguments in published.items():
        close(torch.tensor(gaussian_weights(*arguments)), weights[name], 1e-6)
    close(torch.tensor(gaussian_weights(5, 3, 1)), golden.expected["gpa.weights"], 1e-6)
    (stage,) = PromptSRC(golden.clip, golden.names, **CASES["ivlp"], gpa_mean=6, gpa_std=10).fit_plan()
    assert stage.epoch_weights == gaussian_weights(20, 6, 10)


def test_weights_far_from_the_epochs_are_no_zeros():
    assert sum(gaussian_weights(3, mean=1000, std=1)) == pytest.approx(1)


@pytest.mark.parametrize("depth", [1, 2])
def test_vpt_prompts_the_images_alone(depth):
    clip, names = tiny_clip(), class_names(3)
    learner, images = VPT(clip, names, n_ctx_vision=3, prompt_depth_vision=depth), pictures()
    features = prompted_by_hand(clip.model, images, dict(enumerate(learner.parameters())))
    texts = torch.cat([clip.encode_texts([f"a photo of a {name}."]) for name in names])
    torch.testing.assert_close(learner(images), clip.logit_scale * features @ texts.T, atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.scorer()(images), learner(images))


@pytest.mark.parametrize(
    ("protocol", "dataset", "settings"),
    [
        ("base_to_new", "dtd", (9, 20, 15, 1)),
        ("cross_dataset", "imagenet", (3, 20, 6, 10)),
        ("domain_generalization", "imagenet", (3, 20, 6, 10)),
        ("few_shot", "oxford_pets", (9, 50, 30, 30)),
        ("few_shot", "eurosat", (9, 50, 45, 5)),
    ],
)
def test_the_recipe_is_the_papers(protocol, dataset, settings):
    words = [f"protocol={protocol}", f"dataset={dataset}", "learner=promptsrc", "backbone=vit_b16"]
    arguments = settings_of(words).learner.arguments
    optim = arguments["optim"].arguments
    depths = {arguments["prompt_depth_text"], arguments["prompt_depth_vision"]}
    found = (*depths, optim["epochs"], arguments["gpa_mean"], arguments["gpa_std"])
    assert found == settings
    assert (optim["lr"], optim["batch_size"]) == (0.0025, 4)


def test_what_does_not_fit_is_named():
    clip = tiny_clip()
    with pytest.raises(ValueError, match="n_ctx_text=5, but ctx_init='a photo of a' has 4 words"):
        IVLP(clip, ["cat"], n_ctx_text=5)
    with pytest.raises(ValueError, match="prompt_depth_text=4: tiny has 3 text layers"):
        IVLP(clip, ["cat"], prompt_depth_text=4)
    with pytest.raises(ValueError, match="prompt_depth_vision=3: tiny has 2 image layers"):
        VPT(clip, ["cat"], prompt_depth_vision=3)
    with pytest.raises(UnsupportedBackboneError):
        VPT(tiny_clip(resnet=True), ["cat"], prompt_depth_vision=1)
