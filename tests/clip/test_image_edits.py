"""What is added inside the image tower, against open_clip's blocks run by hand: features, tokens and gradients."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import Inserted, UnsupportedBackboneError
from tests.clip.test_image_tower import clip_with
from tests.helpers.edited import (
    as_adapters,
    drawn_low_rank,
    drawn_norms,
    flat,
    full_image_encode_edited,
    require_alike,
    vectors,
)  # fmt: skip
from tests.helpers.images import pictures

VARIANTS = [{}, {"no_ln_pre": True}, {"ls_init_value": 0.1}]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: next(iter(variant), "plain"))
@pytest.mark.parametrize(("layers", "share"), [((0, 1, 2), 1.0), ((1, 2), 0.6), ((2,), 1.0), ((0, 2), 0.3)])
def test_vectors_behind_the_class_token_and_what_they_become(variant, layers, share):
    clip, given = clip_with(**variant), vectors(layers, 3, 64)
    features, tokens = clip.encode_image_tokens(pictures(), Inserted(given, share))
    by_hand = full_image_encode_edited(clip.model, pictures(), inserted=given, share=share)
    require_alike(features, by_hand[:, 0] @ clip.model.visual.proj, list(given.values())[:-1] or list(given.values()))
    features, tokens = clip.encode_image_tokens(pictures(), Inserted(given, share))
    by_hand = full_image_encode_edited(clip.model, pictures(), inserted=given, share=share)
    require_alike(tokens, by_hand[:, 1:4], list(given.values()))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: next(iter(variant), "plain"))
@pytest.mark.parametrize(("layers", "parts"), [((0, 1, 2), "qkv"), ((0, 2), "qkvo"), ((1,), "o")])
def test_low_rank_updates_and_layer_norms(variant, layers, parts):
    clip = clip_with(**variant)
    pairs, norms = drawn_low_rank(layers, parts, 64), drawn_norms(layers, 64)
    before = clip.fingerprint
    exact = clip.encode_images(pictures(), adapters=as_adapters(pairs, norms), normalised=False)
    plain = full_image_encode_edited(clip.model, pictures(), low_rank=pairs, norms=norms)[:, 0] @ clip.model.visual.proj
    require_alike(exact, plain, [*flat(pairs), *flat(norms)])
    del clip.__dict__["fingerprint"]
    assert clip.fingerprint == before
    assert torch.equal(clip.encode_images(pictures()), F.normalize(clip.model.encode_image(pictures()), dim=-1))


def test_adapters_beside_inserted_vectors_and_before_the_projection():
    clip, pairs, given = clip_with(), drawn_low_rank((0, 1, 2), "qv", 64), vectors((1, 2), 2, 64)
    adapters = as_adapters(pairs, {})
    features, tokens = clip.encode_image_tokens(pictures(), Inserted(given), adapters=adapters)
    by_hand = full_image_encode_edited(clip.model, pictures(), inserted=given, low_rank=pairs)
    torch.testing.assert_close(tokens, by_hand[:, 1:3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features, by_hand[:, 0] @ clip.model.visual.proj, atol=1e-5, rtol=1e-5)
    before = clip.encode_images(pictures(), adapters=adapters, kind="pre_projection", normalised=False)
    by_hand = full_image_encode_edited(clip.model, pictures(), low_rank=pairs)[:, 0]
    torch.testing.assert_close(before, by_hand, atol=1e-5, rtol=1e-5)


def test_what_does_not_fit_is_named():
    adapters = as_adapters(drawn_low_rank((0,), "q", 64), {})
    with pytest.raises(ValueError, match="adapters of layer 5: the image tower has layers 0 to 2"):
        clip_with().encode_images(pictures(), adapters={5: adapters[0]})
    with pytest.raises(ValueError, match=r"inserted vectors of layer 1 have shape \(2, 32\): \(K, 64\)"):
        clip_with().encode_image_tokens(pictures(), Inserted(vectors((1,), 2, 32)))
    with pytest.raises(UnsupportedBackboneError, match="mine can't take adapters in its image tower: it has Custom"):
        clip_with(qk_norm=True).encode_images(pictures(), adapters=adapters)
    resnet = clip_with(layers=(1, 1, 1, 1), width=16, patch_size=None)
    with pytest.raises(UnsupportedBackboneError, match="mine can't take image prompts: its image tower is a Modified"):
        resnet.encode_images(pictures(), adapters=adapters)
