"""CLIP-LoRA against its formula in the weights themselves, and against what the authors' code computed."""

import copy
import json
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import FrozenCLIP, UnsupportedBackboneError
from promptlab.clip.low_rank import dropping
from promptlab.learners import Batch, CLIPLoRA, Optim
from promptlab.learners.clip_lora import layers_of
from tests.helpers.adapters import adapters_golden
from tests.helpers.golden import read_golden
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, gradients_held, steps_held
from tests.helpers.settings import settings_of


@pytest.fixture(scope="module")
def golden():
    expected, metadata = read_golden("clip_lora.safetensors")
    source = adapters_golden()
    labels = expected["labels"].long()
    images = source.drawn("images", (len(labels), 3, 32, 32), 1.0)
    return source, json.loads(metadata["class_names"]), expected, Batch(images, labels)


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def theirs(name):
    """The authors' name of a parameter such as ``updates.text.0.q.A``."""
    _, tower, layer, part, side = name.split(".")
    own = "proj" if part == "o" else f"{part}_proj"
    return f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{layer}.attn.{own}.w_lora_{side}"


def ruled(golden, **arguments):
    """A learner with the golden file's A and B."""
    source, names, _, _ = golden
    learner = CLIPLoRA(source.clip, names, **arguments)
    for name, parameter in learner.named_parameters():
        scale = parameter.shape[1] ** -0.5 if name.endswith("A") else 0.05
        parameter.data = source.drawn(theirs(name), parameter.shape, scale)
    return learner


def test_the_authors_numbers(golden):
    learner, expected, batch = ruled(golden), golden[2], golden[3]
    close(learner(batch.inputs).detach(), expected["clip_lora.logits"], 1e-6)
    close(learner.scorer()(batch.inputs).detach(), expected["clip_lora.logits_eval_merged"], 1e-5)
    loss = learner.loss(batch)  # nothing is dropped without a generator
    torch.testing.assert_close(loss, expected["clip_lora.loss"], atol=1e-5, rtol=1e-5)
    gradients_held(
        learner, loss, {name: f"clip_lora.grad.{theirs(name)}" for name, _ in learner.named_parameters()}, expected
    )


@pytest.mark.parametrize(
    ("case", "arguments"),
    [
        ("text_only", {"encoder": "text"}),
        ("vision_only", {"encoder": "vision"}),
        ("qkvo", {"params": ["q", "k", "v", "o"]}),
    ],
)
def test_their_other_settings(golden, case, arguments):
    learner = ruled(golden, **arguments)
    close(learner(golden[3].inputs).detach(), golden[2][f"clip_lora.{case}.logits"], 1e-5)


def test_gradients_of_updates_behind_attention(golden):
    """Which their file keeps for these alone."""
    expected, learner = golden[2], ruled(golden, params=["q", "k", "v", "o"])
    kept = {name: parameter for name, parameter in learner.named_parameters() if ".o." in name}
    assert {f"clip_lora.qkvo.grad.{theirs(name)}" for name in kept} == {key for key in expected if "qkvo.grad" in key}
    found = torch.autograd.grad(learner.loss(golden[3]), list(kept.values()))
    for name, gradient in zip(kept, found, strict=True):
        close(gradient, expected[f"clip_lora.qkvo.grad.{theirs(name)}"], 1e-4)


def test_three_of_their_steps_from_the_published_start(golden):
    expected, learner = golden[2], ruled(golden)
    for name, parameter in learner.named_parameters():
        if name.endswith("B"):
            parameter.data.zero_()
    close(learner(golden[3].inputs).detach(), expected["zero_shot_logits"], 1e-5)
    (stage,) = learner.fit_plan()
    optim = Optim(**{**vars(stage.optim), "steps": 3})
    losses = steps_held(
        learner,
        optim,
        golden[3],
        {name: f"clip_lora.after_3_steps.{theirs(name)}" for name, _ in learner.named_parameters()},
        expected,
        1e-3,
    )
    torch.testing.assert_close(losses, expected["clip_lora.losses"], atol=1e-4, rtol=1e-5)
    close(learner(golden[3].inputs).detach(), expected["clip_lora.logits_after_3_steps"], 1e-4)


def test_dropout_spreads_as_theirs(golden):
    """Means and spreads of the logits over draws; theirs of 400."""
    learner, expected, batch = ruled(golden), golden[2], golden[3]
    seen = []
    learner.balance = SimpleNamespace(cross_entropy=lambda logits, labels: seen.append(logits))
    with torch.no_grad():
        for draw in range(24):
            learner.loss(batch._replace(generator=torch.Generator().manual_seed(draw)))
    found, theirs = torch.stack(seen), expected["clip_lora.dropout_0.25.logits_std_of_400"]
    assert 0.8 < float((found.std(0) / theirs).mean()) < 1.2
    off = (found.mean(0) - expected["clip_lora.dropout_0.25.logits_mean_of_400"]).abs()
    assert float((off / theirs).mean()) < 0.3


def test_the_update_is_added_to_the_weight(clip):
    """W + s B A in the weights of a copy, through open_clip's own forward."""
    names, images = class_names(3), pictures()
    learner = CLIPLoRA(clip, names, rank=3, alpha=2.0, params=["q", "v", "o"])
    for parameter in learner.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    model = copy.deepcopy(clip.model).requires_grad_(False)
    blocks = {"text": model.transformer.resblocks, "vision": model.visual.transformer.resblocks}
    for tower, layers in learner.updates.items():
        for number, updates in layers.items():
            block = blocks[tower][int(number)]
            width = block.attn.embed_dim
            for part, update in updates.items():
                added = (2 / 3**0.5 * update.B @ update.A).detach()
                if part == "o":
                    block.attn.out_proj.weight.data += added
                else:
                    block.attn.in_proj_weight.data["qkv".index(part) * width :][:width] += added
    merged = FrozenCLIP(model, clip.tokenizer, clip.preprocess, "merged")
    texts = [f"a photo of a {name}." for name in names]
    expected = clip.logit_scale * merged.encode_images(images) @ merged.encode_texts(texts).T
    torch.testing.assert_close(learner(images), expected, atol=1e-4, rtol=0)
    other = learner.rebind(["tree"], "{} texture.")  # read in the one prompt all the same
    torch.testing.assert_close(other.text_features(), merged.encode_texts(["a photo of a tree."]))


def test_one_tower_alone(clip):
    names, images = class_names(2), pictures()
    vision = CLIPLoRA(clip, names, encoder="vision")
    assert {name.split(".")[1] for name, _ in vision.named_parameters()} == {"vision"}
    close(vision.text_features(), clip.encode_texts([f"a photo of a {name}." for name in names]), 1e-6)
    text = CLIPLoRA(clip, names, encoder="text")
    close(text.image_features(images), clip.encode_images(images), 1e-6)


def test_dropout_follows_the_generator(clip):
    learner = CLIPLoRA(clip, class_names(3))
    for parameter in learner.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    batch = Batch(pictures(), torch.tensor([0, 1, 2, 0]))
    losses = [learner.loss(batch._replace(generator=torch.Generator().manual_seed(seed))).item() for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    torch.testing.assert_close(learner.loss(batch), F.cross_entropy(learner(batch.inputs), batch.labels))


@pytest.mark.parametrize(("shots", "steps"), [(1, 500), (4, 2000), (16, 8000), ("all", 8000)])
def test_the_recipe_is_the_papers(clip, shots, steps):
    arguments = settings_of(["learner=clip_lora", "protocol=few_shot", f"shots={shots}"]).learner.arguments
    published = Optim(
        name="adamw", lr=2e-4, weight_decay=0.01, steps=steps, batch_size=32, drop_last=False,
        schedule="cosine_per_step", warmup_epochs=0, eta_min=1e-6,
    )  # fmt: skip
    assert arguments["optim"].make() == published
    assert (arguments["rank"], arguments["dropout"], arguments["text_template"]) == (2, 0.25, "a photo of a {}.")
    assert (arguments["alpha"], list(arguments["params"])) == (1, ["q", "k", "v"])
    assert (arguments["encoder"], arguments["position"]) == ("both", "all")
    if steps == 8000:
        assert CLIPLoRA(clip, ["cat"]).optim == published


def test_updates_start_from_a_uniform_draw_and_zeros(clip):
    learner, widest = CLIPLoRA(clip, ["cat"], rank=8), {}
    for name, parameter in learner.named_parameters():
        if name.endswith("B"):
            assert not parameter.any()
        else:
            widest.setdefault(parameter.shape[1], []).append(float(parameter.detach().abs().max()))
    for width, found in widest.items():
        assert 0.97 * width**-0.5 < max(found) <= width**-0.5


def test_every_product_of_every_layer_drops_elements_of_its_own(clip):
    learner, seen = CLIPLoRA(clip, class_names(3)), []
    learner.image_features(pictures(), lambda x: seen.append(x.shape) or x)
    assert len(seen) == 3 * clip.vision_layers
    drop = dropping(0.25, torch.Generator().manual_seed(1), clip.device)
    left = [drop(torch.ones(4, 50, 64)) for _ in range(2)]
    assert not torch.equal(*left)
    for axis in range(3):  # no mask is shared along one
        assert (left[0].amax(axis) > left[0].amin(axis)).float().mean() > 0.5
    torch.testing.assert_close(left[0].mean(), torch.tensor(1.0), atol=0.02, rtol=0)


def test_what_does_not_fit_is_named(clip):
    with pytest.raises(ValueError, match="a list of some of q, k, v, o is needed"):
        CLIPLoRA(clip, ["cat"], params=["w"])
    with pytest.raises(UnsupportedBackboneError):
        CLIPLoRA(tiny_clip(resnet=True), ["cat"])


@pytest.mark.parametrize(
    ("position", "chosen"),
    [
        ("all", range(12)), ("bottom", range(4)), ("mid", range(4, 8)), ("up", range(8, 12)),
        ("half-up", range(6, 12)), ("half-bottom", range(6)), ("top3", range(9, 12)),
    ],
)  # fmt: skip
def test_the_layers_are_theirs(position, chosen):
    assert layers_of(position, 12) == chosen


def test_layers_without_updates_are_the_backbones(clip):
    """What the upper half adds is what all layers add where the lower half adds nothing."""
    names, images = class_names(3), pictures()[:2]
    whole, upper = CLIPLoRA(clip, names), CLIPLoRA(clip, names, position="half-up")
    assert layers_of("half-up", 24) == range(12, 24)
    kept = dict(upper.named_parameters())
    assert 0 < len(kept) < len(dict(whole.named_parameters()))
    stream = torch.Generator().manual_seed(2)
    for name, parameter in whole.named_parameters():
        if name.endswith("B"):
            parameter.data = torch.randn(parameter.shape, generator=stream) * (0.3 if name in kept else 0.0)
        if name in kept:
            kept[name].data = parameter.data
    torch.testing.assert_close(upper(images), whole(images), atol=1e-4, rtol=0)
