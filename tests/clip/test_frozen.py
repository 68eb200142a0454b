"""FrozenCLIP: features, facts, precision, and what doesn't change."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import FrozenCLIP
from promptlab.learners import CoOp
from tests.helpers.models import freeze, full_encode, full_prompts, tiny_clip, tiny_model


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def test_features_equal_open_clips(clip):
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(clip.encode_images(images), clip.model.encode_image(images, normalize=True))
    assert clip.encode_images(images).shape == (3, clip.dim)
    torch.testing.assert_close(clip.encode_images(images).norm(dim=-1), torch.ones(3))


@pytest.mark.parametrize(
    ("options", "dim"), [({}, 48), ({"custom": True, "projection": "linear"}, 48), ({"projection": "none"}, 32)]
)
def test_facts(options, dim):
    if options.get("projection") == "none":
        options = {**options, "embed_dim": 32}
    clip = tiny_clip(**options)
    assert (clip.dim, clip.width, clip.context_length, clip.image_size) == (dim, 32, 77, 32)
    assert clip.logit_scale == pytest.approx(float(clip.model.logit_scale.exp()))
    assert (clip.sot_token, clip.eot_token) == (49406, 49407)
    assert len(clip.image_mean) == len(clip.image_std) == 3


def test_fingerprint_follows_weights_architecture_and_precision():
    prints = {
        "same": freeze(tiny_model()).fingerprint,
        "weights": freeze(tiny_model(seed=1)).fingerprint,
        "architecture": freeze(tiny_model(quick_gelu=False)).fingerprint,
        "heads": freeze(tiny_model(heads=2)).fingerprint,
        "precision": freeze(tiny_model(), precision="bf16").fingerprint,
    }
    assert prints["same"] == freeze(tiny_model()).fingerprint
    assert len(set(prints.values())) == 5


def test_train_keeps_eval_mode(clip):
    assert clip.train() is clip
    clip.model.train()
    clip.encode_images(torch.zeros(1, 3, 32, 32))
    assert not any(module.training for module in clip.model.modules())
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_towers_learn_fp32_vectors(dtype):
    from open_clip.model import convert_weights_to_lp
    from open_clip.transformer import LayerNorm, LayerNormFp32

    model = tiny_model()
    for module in model.modules():
        if type(module) is LayerNorm:
            module.__class__ = LayerNormFp32
    convert_weights_to_lp(model, dtype)
    half = freeze(model, precision="bf16" if dtype == torch.bfloat16 else "fp16")
    learner, full = CoOp(half, ["cat", "red star"], n_ctx=4), CoOp(tiny_clip(), ["cat", "red star"], n_ctx=4)
    learner.load_learned(full.learned_tensors())
    features = learner.text_features()
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, full.text_features(), atol=0.05, rtol=0)
    features.sum().backward()
    assert learner.ctx.dtype == learner.ctx.grad.dtype == torch.float32
    assert half.encode_images(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_autocast_stays_close(clip):
    learner = CoOp(clip, ["cat", "red star"], n_ctx=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = learner.text_features()
    torch.testing.assert_close(features.float(), learner.text_features(), atol=0.05, rtol=0)


def test_tokens_equal_open_clips_tokenizer(clip):
    """P1."""
    texts = ["a photo of a cat.", "X X X X golden retriever.", "2012 BMW M3 coupe.", "Straße, naïve & co."]
    for text in texts:
        ids = clip.tokenizer([text])[0].tolist()
        own = [clip.sot_token, *clip.encode_words(text), clip.eot_token]
        assert own == ids[: len(own)]
        assert not any(ids[len(own) :])


def test_pad_tokens_change_nothing(clip):
    names = ["cat", "a rather long class name"]
    ctx = torch.randn(3, clip.width, generator=torch.Generator().manual_seed(0))
    embeddings, ends = full_prompts(clip, names, ctx)
    noisy = embeddings.clone()
    for row, end in enumerate(ends):
        noisy[row, end + 1 :] = 7.0
    torch.testing.assert_close(full_encode(clip.model, embeddings, ends), full_encode(clip.model, noisy, ends))


def test_without_preprocess_images_are_refused_when_asked_for():
    clip = FrozenCLIP(tiny_model(), tiny_clip().tokenizer, None, "mine")
    with pytest.raises(ValueError, match="mine was wrapped without preprocess"):
        _ = clip.image_mean
    assert F.normalize(clip.encode_texts(["a cat"]), dim=-1).shape == (1, 48)


def test_raw_features_of_texts_and_images(clip):
    texts = ["a photo of a dog.", "two words", "x"]
    raw = clip.encode_texts(texts, normalised=False)
    torch.testing.assert_close(raw, clip.model.encode_text(clip.tokenizer(texts)), atol=1e-5, rtol=1e-5)
    assert torch.equal(clip.encode_texts(texts), F.normalize(raw, dim=-1))
