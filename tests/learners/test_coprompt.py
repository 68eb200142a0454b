"""CoPrompt against its formula by hand, and against what the authors' code computed; its views, its recipe."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch.nn import functional as F

from promptlab.learners import Batch, CoPrompt, DePT, MaPLe
from promptlab.learners.coprompt.rand_augment import OPERATIONS, RandAugmentView
from promptlab.support.errors import DatasetError
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of

NAMES = class_names(3)
SENTENCES = {name: [f"A {name} by day.", f"One sees a {name}."] for name in NAMES}


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("coprompt")


def scale(name):
    """By which the authors' tensors were drawn."""
    if name.startswith("adapter"):
        return 0.15
    return 0.02 if "compound_prompts_text" in name else 0.05 if name.endswith("bias") else 0.1


@pytest.mark.parametrize(("case", "n_ctx"), [("coprompt", 2), ("coprompt.4ctx", 4)])
def test_the_authors_numbers(golden, case, n_ctx):
    expected, sentences = golden.of(case), json.loads(golden.metadata["descriptions"])
    k, weight = int(golden.metadata["description_index"]), float(golden.metadata["weight"])
    arguments = {"n_ctx": n_ctx, "depth": 3, "weight": weight}
    taught = CoPrompt(golden.clip, golden.names, **arguments, prompts=sentences).teacher_texts()
    close(taught.transpose(0, 1), expected["teacher.text_features"], 1e-5)
    only = {name: [of_class[k]] for name, of_class in sentences.items()}
    learner = CoPrompt(golden.clip, golden.names, **arguments, prompts=only)
    theirs = learner.authors_names()
    close(learner.ctx.detach(), expected["prompt_learner.ctx"], 1e-6)
    for name, parameter in learner.named_parameters():
        if name != "ctx":
            parameter.data = golden.drawn(theirs[name], parameter.shape, scale(theirs[name]))
    images, others = (golden.drawn(name, (6, 3, 32, 32), 1.0) for name in ("images", "images2"))
    close(golden.clip.encode_images(others), expected["teacher.image_features"], 1e-5)
    close(MaPLe.image_features(learner, images, normalised=False).detach(), expected["raw_image_features"], 1e-5)
    close(MaPLe.text_features(learner, normalised=False).detach(), expected["raw_text_features"], 1e-5)
    parts = {
        "ce": F.cross_entropy(learner(images), golden.labels),
        "image": 1 - F.cosine_similarity(learner.image_features(images), expected["teacher.image_features"]).mean(),
        "text": 1 - F.cosine_similarity(learner.text_features(), expected["teacher.text_features"][k]).mean(),
    }
    for name, part in parts.items():
        torch.testing.assert_close(part.detach(), expected[f"loss.{name}"], atol=1e-5, rtol=1e-5)
    learner.forward = lambda views: type(learner).forward(learner, views[:, 0])
    hold(learner, theirs, Batch(torch.stack([images, others], 1), golden.labels), expected)


@pytest.fixture(scope="module")
def learner():
    """A small one whose every tensor has moved."""
    made = CoPrompt(tiny_clip(), NAMES, depth=2, prompts=SENTENCES, weight=3.0)
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return made


def test_the_loss_by_hand(learner):
    """Element by element, adapters on features with their lengths; the same sentence for all classes."""
    clip, labels = learner.clip, torch.tensor([0, 2, 1, 1])
    first, second = pictures(8)[:4], pictures(8)[4:]
    raw_images = clip.encode_images(first, learner.image_prompts(), normalised=False)
    deep = dict(enumerate(learner.deep_ctx, start=1))
    raw_texts = learner.prompts.encode(learner.ctx, deep=deep, normalised=False)

    def behind(adapter, feature, share):
        hidden = (adapter[0].weight @ feature).clamp(min=0)
        mixed = share * (adapter[2].weight @ hidden).clamp(min=0) + (1 - share) * feature
        return mixed / mixed.norm()

    f = torch.stack([behind(learner.image_adapter, feature, 0.1) for feature in raw_images])
    g = torch.stack([behind(learner.text_adapter, feature, 0.2) for feature in raw_texts])
    e = F.normalize(clip.model.encode_image(second), dim=-1)
    z = clip.logit_scale * f @ g.T
    cross_entropy = -sum(z[i].log_softmax(-1)[label] for i, label in enumerate(labels)) / 4
    of_images = 1 - sum(f[i] @ e[i] for i in range(4)) / 4
    expected = []
    for k in range(2):
        h = clip.encode_texts([SENTENCES[name][k] for name in NAMES])
        of_texts = 1 - sum(g[c] @ h[c] for c in range(3)) / 3
        expected.append(cross_entropy + 3 * (of_texts + of_images))
    torch.testing.assert_close(learner(first), z, atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.scorer()(first), z, atol=1e-4, rtol=0)
    batch = Batch(torch.stack([first, second], 1), labels, torch.Generator().manual_seed(0))
    seen = {round(learner.loss(batch).item(), 4) for _ in range(20)}
    assert seen == {round(loss.item(), 4) for loss in expected}


def test_without_sentences_the_hand_written_prompt_teaches():
    clip = tiny_clip()
    learner = CoPrompt(clip, ["sea_or_lake", "cat"], depth=1, template="a drawing of a {}.")
    texts = clip.encode_texts(["a drawing of a sea or lake.", "a drawing of a cat."])
    torch.testing.assert_close(learner.teacher_texts()[:, 0], texts)


def test_sentences_go_with_their_classes(learner):
    torch.testing.assert_close(learner.select([2, 0]).teacher_texts(), learner.teacher_texts()[[2, 0]])
    other = learner.rebind(["boat"], "a {}.")  # there are no sentences about it, nor are they needed to score it
    assert other(pictures()).shape == (4, 1)
    torch.testing.assert_close(other.teacher_texts()[:, 0], learner.clip.encode_texts(["a boat."]))


def test_uneven_sentences_are_named():
    uneven = SENTENCES | {NAMES[1]: ["One alone."]}
    with pytest.raises(DatasetError, match=rf"1 sentences for '{NAMES[1]}' and 2 for '{NAMES[0]}'.*equally many"):
        CoPrompt(tiny_clip(), NAMES, depth=2, prompts=uneven)


def test_a_learner_around_it_would_lose_the_consistency():
    with pytest.raises(TypeError, match="CoPrompt doesn't say which features of both towers it compares"):
        DePT(tiny_clip(), NAMES, inner=lambda *a, **k: CoPrompt(*a, **k, depth=2))


@pytest.fixture
def picture():
    """A wide one with a square of its own in every corner."""
    made = Image.linear_gradient("L").resize((96, 48)).convert("RGB")
    for number, corner in enumerate([(0, 0), (80, 0), (0, 32), (80, 32)]):
        made.paste((60 * number, 255 - 60 * number, 90), (*corner, corner[0] + 16, corner[1] + 16))
    return made


def test_a_view_follows_from_its_stream(picture):
    view = RandAugmentView(32, (0.0,) * 3, (1.0,) * 3)
    seen = [view(picture, torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert torch.equal(seen[3], view(picture, torch.Generator().manual_seed(3)))
    assert len({float(one.sum()) for one in seen}) > 8
    plain = RandAugmentView(32, (0.0,) * 3, (1.0,) * 3, count=0)(picture, torch.Generator())
    squashed = picture.resize((32, 32), Image.Resampling.BICUBIC)
    assert torch.equal((255 * plain).round().byte(), torch.from_numpy(np.array(squashed)).permute(2, 0, 1))


def test_operations_have_the_authors_strength(picture):
    """Amounts at a strength of 10, of the list that the page gives."""
    square = picture.resize((224, 224))
    amounts = [low + (high - low) / 3 for _, low, high in OPERATIONS]
    expected = [
        1 / 3,
        1 / 3,
        1 / 3,
        10,
        16 / 3,
        256 / 3,
        110 / 3,
        0.7,
        0.7,
        0.7,
        0.7,
        0.1,
        0.1,
        40 / 3,
        100 / 3,
        100 / 3,
    ]
    assert amounts == pytest.approx(expected)

    def done(number, seed=0):
        return OPERATIONS[number][0](square, amounts[number], torch.Generator().manual_seed(seed))

    both = {done(3, seed).tobytes() for seed in range(8)}
    assert both == {square.rotate(10).tobytes(), square.rotate(-10).tobytes()}
    assert done(4).tobytes() == ImageOps.posterize(square, 5).tobytes()
    brighter = square.point(lambda value: min(255, value + 36))
    assert done(6).tobytes() == ImageOps.solarize(brighter, 128).tobytes()
    moved = {done(14, seed).getpixel((x, 100)) == (0, 0, 0) for seed in range(8) for x in (5,)}
    assert moved == {True, False}
    hole = (np.asarray(done(13)) == (125, 123, 114)).all(-1).sum()
    assert 14 * 14 // 4 <= hole <= 15 * 15


AFFINE = Image.Transform.AFFINE
WRITTEN_OUT = {
    0: [lambda image: ImageOps.autocontrast(image)],
    1: [lambda image: ImageOps.equalize(image)],
    2: [lambda image: ImageOps.invert(image)],
    3: [lambda image, way=way: image.rotate(way * 10) for way in (1, -1)],
    4: [lambda image: ImageOps.posterize(image, 5)],
    5: [lambda image: ImageOps.solarize(image, 256 / 3)],
    7: [lambda image: ImageEnhance.Color(image).enhance(0.7)],
    8: [lambda image: ImageEnhance.Contrast(image).enhance(0.7)],
    9: [lambda image: ImageEnhance.Brightness(image).enhance(0.7)],
    10: [lambda image: ImageEnhance.Sharpness(image).enhance(0.7)],
    11: [lambda image, by=by: image.transform(image.size, AFFINE, (1, by, 0, 0, 1, 0)) for by in (0.1, -0.1)],
    12: [lambda image, by=by: image.transform(image.size, AFFINE, (1, 0, 0, by, 1, 0)) for by in (0.1, -0.1)],
    14: [lambda image, by=by: image.transform(image.size, AFFINE, (1, 0, by, 0, 1, 0)) for by in (100 / 3, -100 / 3)],
    15: [lambda image, by=by: image.transform(image.size, AFFINE, (1, 0, 0, 0, 1, by)) for by in (100 / 3, -100 / 3)],
}
"""What an operation gives at a strength of 10, either way where it has two; the others have tests of their own."""


@pytest.mark.parametrize("number", WRITTEN_OUT)
def test_operations_are_the_authors(picture, number):
    square = picture.resize((224, 224), Image.Resampling.BICUBIC)
    square = square.point(lambda value: 20 + value // 4 * 2)  # not from end to end, and without the 85
    operation, low, high = OPERATIONS[number]
    found = {
        operation(square, low + (high - low) / 3, torch.Generator().manual_seed(seed)).tobytes() for seed in range(8)
    }
    assert found == {written(square).tobytes() for written in WRITTEN_OUT[number]}
    assert square.tobytes() not in found


def test_a_smaller_image_is_moved_and_cut_in_proportion(picture):
    for number, share in ((13, 40 / 3 / 224), (14, 100 / 3 / 224), (15, 100 / 3 / 224)):
        operation, low, high = OPERATIONS[number]
        for size in (64, 448):
            square = Image.new("RGB", (size, size), (9, 9, 9))
            views = [operation(square, low + (high - low) / 3, torch.Generator().manual_seed(n)) for n in range(6)]
            changed = max((np.asarray(view) != 9).any(-1).mean() for view in views)
            expected = share**2 if number == 13 else share
            assert changed == pytest.approx(expected, abs=2.5 * (share if number == 13 else 1) / size)


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("imagenet", (12, 4, 8.0, 8)), ("caltech101", (12, 4, 4.0, 8)), ("oxford_pets", (12, 2, 0.1, 8)),
        ("stanford_cars", (12, 4, 4.0, 8)), ("oxford_flowers", (9, 4, 8.0, 8)), ("food101", (9, 4, 0.5, 5)),
        ("fgvc_aircraft", (9, 4, 2.0, 8)), ("sun397", (12, 4, 8.0, 8)), ("dtd", (12, 2, 8.0, 8)),
        ("eurosat", (12, 2, 0.1, 8)), ("ucf101", (12, 4, 2.0, 8)), ("demo_shapes", (9, 2, 1.0, 8)),
    ],
)  # fmt: skip
def test_the_recipe_is_the_authors(dataset, settings):
    arguments = settings_of([f"dataset={dataset}", "learner=coprompt", "backbone=vit_b16"]).learner.arguments
    optim = arguments["optim"].make()
    assert (arguments["depth"], arguments["n_ctx"], arguments["weight"], optim.epochs) == settings
    assert (optim.lr, optim.batch_size, optim.warmup_epochs) == (0.0035, 4, 1)
    assert (optim.name, optim.momentum, optim.weight_decay, optim.schedule) == ("sgd", 0.9, 5e-4, "cosine")
    assert arguments["ctx_init"] == "a photo of a"
    if dataset == "demo_shapes":
        assert CoPrompt(tiny_clip(), NAMES, depth=2).optim == optim


def test_both_views_are_of_two_operations_at_a_strength_of_ten():
    (stage,) = CoPrompt(tiny_clip(), NAMES, depth=2).fit_plan()
    assert [(view.count, view.strength) for view in stage.views] == [(2, 10)] * 2
