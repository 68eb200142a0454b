"""Encoding through the prompts is what the text tower gives for what they hand to it."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.prompts import ClassPrompts
from tests.helpers.models import class_names, full_encode, full_prompts, tiny_clip

NAMES = class_names(5, longest=4)
M = 3


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def draw(clip, *leading, seed=0):
    return torch.randn(*leading, M, clip.width, generator=torch.Generator().manual_seed(seed))


def test_one_context(clip):
    prompts, ctx = ClassPrompts(clip, NAMES, n_ctx=M, position="middle"), draw(clip)
    plain = full_encode(clip.model, *full_prompts(clip, NAMES, ctx, "middle"))
    torch.testing.assert_close(prompts.encode(ctx), plain, atol=1e-5, rtol=0)
    assert torch.equal(prompts.encode(ctx), clip.text_tower.encode(*prompts(ctx)))


def test_deeper_layers_get_contexts_of_their_own(clip):
    prompts, ctx, deep = ClassPrompts(clip, NAMES, n_ctx=M), draw(clip), draw(clip, seed=1)
    expected = clip.text_tower.encode(*prompts(ctx), deep={1: deep.unsqueeze(0)})
    assert torch.equal(prompts.encode(ctx, deep={1: deep}), expected)
    assert not torch.allclose(prompts.encode(ctx), expected)
    for layout in ({"position": "middle"}, {"position": "front"}):
        with pytest.raises(ValueError, match="contexts of deeper layers stand in front of the class name"):
            ClassPrompts(clip, NAMES, n_ctx=M, **layout).encode(ctx, deep={1: deep})


def test_a_context_per_image(clip):
    prompts, contexts = ClassPrompts(clip, NAMES, n_ctx=M), draw(clip, 4)
    queries = F.normalize(torch.randn(4, clip.dim, generator=torch.Generator().manual_seed(2)), dim=-1)
    features = prompts.encode_for_images(contexts)
    assert features.shape == (4, 5, clip.dim)
    for image, context in enumerate(contexts):
        torch.testing.assert_close(features[image], prompts.encode(context), atol=1e-5, rtol=0)
    similarities = prompts.encode_for_images(contexts, queries=queries)
    torch.testing.assert_close(similarities, torch.einsum("bcd,bd->bc", features, queries), atol=1e-5, rtol=0)


def test_a_context_and_a_class_per_sample(clip):
    prompts, contexts, labels = ClassPrompts(clip, NAMES, n_ctx=M), draw(clip, 4), torch.tensor([4, 0, 0, 2])
    features = prompts.encode_for_samples(contexts, labels)
    whole = prompts.encode_for_images(contexts)[torch.arange(4), labels]
    torch.testing.assert_close(features, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", [{}, {"position": "front"}, {"words": "small_and"}])
def test_other_names_keep_the_layout(clip, layout):
    prompts, ctx = ClassPrompts(clip, NAMES, n_ctx=M, **layout), draw(clip)
    expected = ClassPrompts(clip, ["red boat"], n_ctx=M, **layout).encode(ctx)
    assert torch.equal(prompts.rebind(["red boat"]).encode(ctx), expected)
    assert prompts.select([3, 1]).class_names == (NAMES[3], NAMES[1])


def test_words_stand_before_every_name(clip):
    ctx = draw(clip)
    written = ClassPrompts(clip, [f"of a {name}" for name in NAMES], n_ctx=M).encode(ctx)
    assert torch.equal(ClassPrompts(clip, NAMES, n_ctx=M, words="of a").encode(ctx), written)
