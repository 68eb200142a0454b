import open_clip
import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.hf_model import HFTextEncoder
from torch import nn

from promptlab.clip.guards import UnsupportedBackboneError, require_promptable, require_promptable_config
from tests.helpers.models import freeze, tiny_model

VISION = {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32}


def build(model_class=open_clip.CustomTextCLIP, **text):
    extra = {key: text.pop(key) for key in ("init_logit_bias", "multimodal_cfg") if key in text}
    text_cfg = {"width": 64, "heads": 2, "layers": 2, "vocab_size": 16, "context_length": 8} | text
    with torch.random.fork_rng():
        return model_class(embed_dim=8, vision_cfg=VISION, text_cfg=text_cfg, **extra)


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("projection", ["tensor", "linear", "none"])
def test_causal_clips_pass(custom, projection):
    require_promptable(tiny_model(custom=custom, projection=projection), "tiny")


@pytest.mark.parametrize("model_class", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_pooling_at_eos_and_layer_scale_pass(model_class):
    require_promptable(build(model_class, pool_type="eos", eos_id=2, ls_init_value=0.1), "tiny")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ({"no_causal_mask": True}, "not causal"),
        ({"pool_type": "last"}, "pooled by 'last'"),
        ({"pool_type": "first"}, "pooled by 'first'"),
        ({"pool_type": "none"}, "pooled by 'none'"),
        ({"init_logit_bias": -10.0}, "sigmoid loss"),
        ({"qk_norm": True}, "CustomResidualAttentionBlock"),
        ({"block_type": "custom"}, "CustomResidualAttentionBlock"),
    ],
)
@pytest.mark.parametrize("model_class", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_other_text_towers_are_refused_by_name(model_class, text, reason):
    with pytest.raises(UnsupportedBackboneError, match=f"my-model can't take prompt vectors.*{reason}.*Use a CLIP"):
        require_promptable(build(model_class, **text), "my-model")


def test_class_token_is_refused():
    with pytest.raises(UnsupportedBackboneError, match="appended class token"):
        require_promptable(build(embed_cls=True), "coca-like")


def test_coca_is_refused():
    multimodal = {"width": 64, "heads": 2, "layers": 1, "context_length": 8}
    model = build(CoCa, multimodal_cfg=multimodal, embed_cls=True, output_tokens=True)
    with pytest.raises(UnsupportedBackboneError, match="captioning model"):
        require_promptable(model, "coca")


def test_hugging_face_text_encoder_is_refused():
    model = build()
    text = HFTextEncoder.__new__(HFTextEncoder)  # its constructor needs transformers
    nn.Module.__init__(text)
    model.text = text
    with pytest.raises(UnsupportedBackboneError, match="Hugging Face"):
        require_promptable(model, "roberta")


def test_models_without_a_text_tower_are_refused():
    with pytest.raises(UnsupportedBackboneError, match=r"no text tower.*token_embedding"):
        require_promptable(nn.Linear(2, 2), "linear")


def test_masks_that_show_the_future_are_refused():
    model = build(open_clip.CLIP)
    model.attn_mask[0, 1] = 0
    with pytest.raises(UnsupportedBackboneError, match="not causal"):
        require_promptable(model, "peeking")


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        ({"kdim": 32}, "in_proj_weight"),
        ({"bias": False}, "other biases"),
        ({"add_bias_kv": True}, "other biases"),
        ({"batch_first": False}, "batch-first"),
    ],
)
def test_other_attention_is_refused(attention, reason):
    model = build(open_clip.CLIP)
    model.transformer.resblocks[1].attn = nn.MultiheadAttention(64, 2, **({"batch_first": True} | attention))
    with pytest.raises(UnsupportedBackboneError, match=reason):
        require_promptable(model, "odd")


def test_cross_attention_is_refused():
    model = build(open_clip.CLIP)
    model.transformer.resblocks[0].ln_1_kv = nn.LayerNorm(64)
    with pytest.raises(UnsupportedBackboneError, match="cross-attention"):
        require_promptable(model, "cross")


def test_every_reason_is_named():
    with pytest.raises(UnsupportedBackboneError, match=r"sigmoid loss.*; .*not causal; .*'last'"):
        require_promptable(build(no_causal_mask=True, pool_type="last", init_logit_bias=-10.0), "siglip")


def test_wrapping_refuses_too():
    with pytest.raises(UnsupportedBackboneError, match="bidirectional can't take"):
        freeze(build(no_causal_mask=True), "bidirectional")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ViT-B-16-SigLIP", "SigLIP.*not causal.*'last'"),
        ("ViT-L-14-CLIPA", "not causal"),
        ("coca_ViT-B-32", "captioning model"),
        ("roberta-ViT-B-32", "Hugging Face"),
        ("MobileCLIP-S1", "not causal"),
    ],
)
def test_open_clip_configurations_are_refused(name, reason):
    with pytest.raises(UnsupportedBackboneError, match=f"^{name} can't.*{reason}"):
        require_promptable_config(open_clip.get_model_config(name), name)


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-L-14-quickgelu", "RN50", "EVA02-B-16", "ViT-H-14-worldwide"])
def test_open_clip_configurations_that_pass(name):
    config = open_clip.get_model_config(name)
    state = torch.get_rng_state()
    require_promptable_config(config, name)
    assert config == open_clip.get_model_config(name)
    assert torch.equal(state, torch.get_rng_state())
