"""The frozen pass of a plain vision transformer against open_clip's own; what it must not depend on; where it isn't."""

import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp
from open_clip.transformer import LayerNorm, LayerNormFp32
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from promptlab.clip.image import frozen
from tests.helpers.images import pictures
from tests.helpers.models import freeze, tiny_clip

TEXT = CLIPTextCfg(width=32, heads=4, layers=1, vocab_size=16, context_length=8)
TOKENS = 17  # of a picture of 32 x 32 in patches of 8


def model_with(*, quick_gelu=True, precision="fp32", **options):
    """A lively tower: biases and norms away from their neutral start."""
    vision = {"layers": 3, "width": 64, "head_width": 32, "patch_size": 8, "image_size": 32} | options
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIP(48, CLIPVisionCfg(**vision), TEXT, quick_gelu=quick_gelu)
        for parameter in model.visual.parameters():
            if parameter.ndim == 1:
                nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)
    if precision != "fp32":
        for module in model.modules():
            if type(module) is LayerNorm:
                module.__class__ = LayerNormFp32
        convert_weights_to_lp(model, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
    return freeze(model, "mine", precision=precision)


PLAIN = [
    {},
    {"quick_gelu": False},
    {"layers": 1},
    {"no_ln_pre": True},
    {"final_ln_after_pool": True},
    {"patch_dropout": 0.5},
    {"pos_embed_type": "sin_cos_2d"},
]


@pytest.fixture(params=[1, 4, 9], ids=lambda images: f"{images}_at_once")
def at_once(request, monkeypatch):
    monkeypatch.setattr(frozen, "ROWS", request.param * TOKENS)
    return request.param


def encoded(clip, images, **options):
    """As the bank encodes."""
    with torch.inference_mode():
        return clip.encode_images(images, **options)


@pytest.mark.parametrize("options", PLAIN, ids=lambda options: next(iter(options), "plain"))
@pytest.mark.parametrize("kind", ["projected", "pre_projection"])
def test_features_are_open_clips(options, kind, at_once):
    clip, images = model_with(**options), pictures(9)
    expected = clip.model.encode_image(images)
    found = encoded(clip, images, kind=kind, normalised=False)
    if kind == "pre_projection":
        found = found @ clip.image_projection
    assert expected.norm(dim=-1).min() > 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_feature_depends_on_its_image_alone(precision, at_once):
    """Bit for bit: with any neighbours, anywhere in the batch, in a chunk that blanks fill."""
    clip, images = model_with(precision=precision), pictures(9)
    together = encoded(clip, images, normalised=False)
    assert torch.equal(encoded(clip, images.flip(0), normalised=False).flip(0), together)
    for index in (0, 4, 8):
        assert torch.equal(encoded(clip, images[index : index + 1], normalised=False)[0], together[index])


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_bf16_is_as_near_to_fp32_as_open_clips(quick_gelu):
    """Root mean square over many numbers: rounding of the one isn't more than that of the other."""
    full, half = (model_with(quick_gelu=quick_gelu, precision=name) for name in ("fp32", "bf16"))
    images = pictures(32)
    exact = encoded(full, images)
    theirs = F.normalize(half.model.encode_image(images.bfloat16()).float(), dim=-1)
    ours = encoded(half, images)
    assert 0 < (ours - exact).square().mean() < 1.2 * (theirs - exact).square().mean()


@pytest.mark.parametrize(
    "options",
    [
        {"ls_init_value": 0.1},
        {"qk_norm": True},
        {"pool_type": "avg"},
        {"attentional_pool": True},
        {"precision": "fp16"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_of_another_tower_the_models_own_runs(options):
    clip = model_with(**options)
    images = pictures(2).half() if options == {"precision": "fp16"} else pictures(2)
    assert torch.equal(encoded(clip, images, normalised=False), clip.model.encode_image(images).float())


def test_autocast_and_gradient_steps_are_left_to_the_models_own():
    clip = model_with()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        expected = clip.model.encode_image(pictures()).float()
        assert torch.equal(clip.encode_images(pictures(), normalised=False), expected)
    with torch.no_grad():
        assert torch.equal(clip.encode_images(pictures(), normalised=False), clip.model.encode_image(pictures()))
    images = pictures().requires_grad_()
    clip.encode_images(images).sum().backward()
    assert images.grad.norm() > 0


def test_no_byte_of_the_model_changes():
    clip = tiny_clip()
    before = {name: tensor.clone() for name, tensor in clip.model.state_dict().items()}
    encoded(clip, pictures(9))
    assert all(torch.equal(tensor, before[name]) for name, tensor in clip.model.state_dict().items())


def test_the_last_layer_computes_the_class_token_alone(monkeypatch):
    """Operations by hand: for every token all products but in the last layer, where keys and values alone."""
    clip, B, V = model_with(), 8, 64
    monkeypatch.setattr(frozen, "ROWS", B * TOKENS)
    with FlopCounterMode(display=False) as counter:
        encoded(clip, pictures(B), normalised=False)
    attention = 2 * 2 * B * TOKENS * V  # of one query of each image: scores and values
    whole = 2 * B * TOKENS * 12 * V * V + TOKENS * attention
    last = 2 * B * (TOKENS * 2 + 10) * V * V + attention
    patches = 2 * B * (TOKENS - 1) * V * 3 * 8 * 8
    assert counter.get_total_flops() == patches + 2 * whole + last + 2 * B * V * 48
