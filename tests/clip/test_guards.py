import re

import open_clip
import pytest
import torch
from torch import nn

from promptlab.clip.guards import UnsupportedBackboneError, why_not_causal
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.full import FullTower
from promptlab.clip.tokens import Tokens
from promptlab.clip.towers import text_tower
from tests.helpers.models import clips_tokenizer, tiny_model

VISION = {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32}


def build(model_class=open_clip.CustomTextCLIP, **text):
    extra = {key: text.pop(key) for key in ("init_logit_bias",) if key in text}
    text_cfg = {"width": 64, "heads": 2, "layers": 2, "vocab_size": 16, "context_length": 8} | text
    with torch.random.fork_rng():
        return model_class(embed_dim=8, vision_cfg=VISION, text_cfg=text_cfg, **extra)


def tower_of(model):
    return text_tower(model, Tokens(clips_tokenizer()), 64, "my-model")


def assert_whole(model, reason):
    """Another tower drives the model, for this reason."""
    assert re.search(reason, "; ".join(why_not_causal(model)))
    assert type(tower_of(model)) is FullTower


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("projection", ["tensor", "linear", "none"])
def test_causal_clips_are_driven_exactly(custom, projection):
    model = tiny_model(custom=custom, projection=projection)
    assert why_not_causal(model) == []
    assert type(tower_of(model)) is CausalTower


@pytest.mark.parametrize("model_class", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_so_are_pooling_at_eos_layer_scale_and_a_logit_bias(model_class):
    model = build(model_class, pool_type="eos", eos_id=2, ls_init_value=0.1, init_logit_bias=-10.0)
    assert type(tower_of(model)) is CausalTower


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ({"no_causal_mask": True}, "not causal"),
        ({"pool_type": "last"}, "pooled by 'last'"),
        ({"pool_type": "first"}, "pooled by 'first'"),
        ({"qk_norm": True}, "CustomResidualAttentionBlock"),
        ({"block_type": "custom"}, "CustomResidualAttentionBlock"),
    ],
)
@pytest.mark.parametrize("model_class", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_other_text_towers_run_whole_prompts(model_class, text, reason):
    assert_whole(build(model_class, **text), reason)


def test_so_does_an_appended_class_token():
    assert_whole(build(embed_cls=True), "appended class token")


def test_features_of_all_tokens_are_refused():
    with pytest.raises(UnsupportedBackboneError, match=r"my-model can't take prompts .*pool_type 'none'"):
        tower_of(build(pool_type="none"))


def test_models_without_a_text_tower_are_refused():
    with pytest.raises(UnsupportedBackboneError, match=r"my-model can't.*no text tower.*token_embedding.*from_func"):
        tower_of(nn.Linear(2, 2))


def test_masks_that_show_the_future_run_whole_prompts():
    model = build(open_clip.CLIP)
    model.attn_mask[0, 1] = 0
    assert_whole(model, "not causal")


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        ({"kdim": 32}, "in_proj_weight"),
        ({"bias": False}, "other biases"),
        ({"add_bias_kv": True}, "other biases"),
        ({"batch_first": False}, "batch-first"),
    ],
)
def test_so_does_other_attention(attention, reason):
    model = build(open_clip.CLIP)
    model.transformer.resblocks[1].attn = nn.MultiheadAttention(64, 2, **({"batch_first": True} | attention))
    assert_whole(model, reason)


def test_so_does_cross_attention():
    model = build(open_clip.CLIP)
    model.transformer.resblocks[0].ln_1_kv = nn.LayerNorm(64)
    assert_whole(model, "cross-attention")


def test_every_reason_is_named():
    assert_whole(build(no_causal_mask=True, pool_type="last"), r"not causal; .*'last'")
