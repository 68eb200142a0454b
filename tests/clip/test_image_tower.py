"""Prompts in the image tower against open_clip's modules run by hand; what must not change; what is refused."""

import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp
from open_clip.timm_model import TimmModel
from open_clip.transformer import LayerNorm, LayerNormFp32
from torch import nn
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from tests.helpers.images import pictures, prompted_by_hand
from tests.helpers.models import freeze, tiny_clip, tiny_model

TEXT = CLIPTextCfg(width=32, heads=4, layers=1, vocab_size=16, context_length=8)


def clip_with(**options):
    vision = {"layers": 3, "width": 64, "head_width": 32, "patch_size": 8, "image_size": 32} | options
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return freeze(CLIP(48, CLIPVisionCfg(**vision), TEXT, quick_gelu=True), "mine")


def vectors(layers, M, V=64):
    generator = torch.Generator().manual_seed(1)
    return {layer: (0.5 * torch.randn(M, V, generator=generator)).requires_grad_() for layer in layers}


VARIANTS = [
    {},
    {"no_ln_pre": True},
    {"final_ln_after_pool": True},
    {"patch_dropout": 0.5},
    {"ls_init_value": 0.1},
    {"qk_norm": True},
    {"pos_embed_type": "sin_cos_2d"},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: next(iter(variant), "plain"))
@pytest.mark.parametrize(("layers", "M"), [((0,), 1), ((0, 1, 2), 2), ((0, 2), 3)])
def test_features_and_gradients_are_those_by_hand(variant, layers, M):
    clip, prompts = clip_with(**variant), vectors(layers, M)
    exact, plain = clip.encode_images(pictures(), prompts), prompted_by_hand(clip.model, pictures(), prompts)
    torch.testing.assert_close(exact, plain, atol=1e-5, rtol=0)
    weights = torch.randn(plain.shape, generator=torch.Generator().manual_seed(2))
    grads = torch.autograd.grad((exact * weights).sum(), list(prompts.values()))
    expected = torch.autograd.grad((plain * weights).sum(), list(prompts.values()))
    for grad, wanted in zip(grads, expected, strict=True):
        assert wanted.norm() > 1e-4
        assert (grad - wanted).norm() <= 1e-4 * wanted.norm()


@pytest.mark.parametrize("options", [{}, {"custom": True}, {"resnet": True}])
@pytest.mark.parametrize("prompts", [None, {}])
def test_without_prompts_nothing_changes(options, prompts):
    clip = tiny_clip(**options)
    expected = F.normalize(clip.model.encode_image(pictures()), dim=-1)
    assert torch.equal(clip.encode_images(pictures(), prompts), expected)


def test_facts():
    clip = tiny_clip()
    assert (clip.vision_width, clip.vision_layers, clip.text_layers) == (64, 2, 3)
    assert clip_with(layers=4).vision_layers == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_towers_take_fp32_prompts(dtype):
    model = tiny_model()
    for module in model.modules():
        if type(module) is LayerNorm:
            module.__class__ = LayerNormFp32
    convert_weights_to_lp(model, dtype)
    half, prompts = freeze(model, precision="bf16" if dtype == torch.bfloat16 else "fp16"), vectors((0, 1), 2)
    features = half.encode_images(pictures(), prompts)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, tiny_clip().encode_images(pictures(), prompts), atol=0.05, rtol=0)
    features.square().mul(torch.arange(48)).sum().backward()
    for vector in prompts.values():
        assert vector.grad.dtype == torch.float32
        assert vector.grad.isfinite().all()
        assert vector.grad.norm() > 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pool_type": "avg"}, "pooled by 'avg'"),
        ({"pool_type": "none"}, "pooled by 'none'"),
        ({"attentional_pool": True}, "pooled by attention"),
        ({"layers": (1, 1, 1, 1), "width": 16, "patch_size": None}, "a ModifiedResNet, not open_clip's Vision"),
    ],
)
def test_other_towers_are_refused_by_name(options, reason):
    clip = clip_with(**options)
    message = f"mine can't take image prompts: .*{reason}.*Use a CLIP with a plain vision transformer"
    for asked in ("vision_width", "vision_layers"):
        with pytest.raises(UnsupportedBackboneError, match=message):
            getattr(clip, asked)
    with pytest.raises(UnsupportedBackboneError, match=message):
        clip.encode_images(pictures(), vectors((0,), 2))
    message = f"mine has no image feature before a projection: .*{reason}"
    for asked in (lambda: clip.pre_projection_width, lambda: clip.image_projection,
                  lambda: clip.encode_images(pictures(), kind="pre_projection")):  # fmt: skip
        with pytest.raises(UnsupportedBackboneError, match=message):
            asked()


def test_timm_and_rebuilt_towers_are_refused():
    clip = clip_with()
    clip.model.visual.transformer.batch_first = False
    with pytest.raises(UnsupportedBackboneError, match="isn't open_clip's batch-first Transformer"):
        _ = clip.vision_width
    timm = TimmModel.__new__(TimmModel)  # its constructor builds a timm model
    nn.Module.__init__(timm)
    clip.model.visual = timm
    with pytest.raises(UnsupportedBackboneError, match="is a TimmModel"):
        _ = clip.vision_width


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (vectors((1, 2), 2), r"layers \[1, 2\]: layer 0, where they join the tokens, is missing"),
        (vectors((0, 3), 2), "layer 3: the tower has layers 0 to 2"),
        (vectors((0, -1), 2), "layer -1: the tower has"),
        (vectors((0,), 2, V=32), r"layer 0 have shape \(2, 32\): \(M, 64\) is needed"),
        ({**vectors((0,), 2), **vectors((1,), 3)}, r"layer 1 have shape \(3, 64\).*one M >= 1"),
        (vectors((0,), 0), r"shape \(0, 64\)"),
        ({0: torch.zeros(1, 2, 64)}, r"shape \(1, 2, 64\)"),
    ],
)
def test_wrong_prompts_are_named(prompts, message):
    with pytest.raises(ValueError, match=message):
        clip_with().encode_images(pictures(), prompts)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: next(iter(variant), "plain"))
def test_features_before_the_projection_are_projected_to_the_towers_own(variant):
    clip = clip_with(**variant)
    before = clip.encode_images(pictures(), kind="pre_projection", normalised=False)
    assert before.shape == (len(pictures()), clip.pre_projection_width)
    raw = clip.encode_images(pictures(), normalised=False)
    torch.testing.assert_close(before @ clip.image_projection, raw, atol=1e-5, rtol=1e-5)
    assert torch.equal(raw, clip.model.encode_image(pictures()))
    assert torch.equal(clip.encode_images(pictures()), F.normalize(raw, dim=-1))


def test_a_projection_that_is_given_is_a_copy():
    clip = clip_with()
    clip.image_projection.zero_()
    assert clip.image_projection.norm() > 0
    prompts = vectors((0,), 2)
    before = clip.encode_images(pictures(), prompts, kind="pre_projection", normalised=False)
    torch.testing.assert_close(
        before @ clip.image_projection, clip.encode_images(pictures(), prompts, normalised=False)
    )
    clip.model.visual.proj = None
    clip = freeze(clip.model, "mine")
    with pytest.raises(
        UnsupportedBackboneError, match="mine has no image feature before a projection: its tower has n"
    ):
        _ = clip.image_projection
