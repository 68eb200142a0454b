"""What is added inside the text tower, against the plain encoding of all 77 tokens: features and gradients."""

import pytest
import torch

from promptlab.clip import BlockAdapter, Inserted
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.prompts import ClassPrompts, WrittenPrompts
from tests.helpers.edited import (
    as_adapters,
    drawn_low_rank,
    drawn_norms,
    flat,
    full_encode_edited,
    require_alike,
    vectors,
)
from tests.helpers.models import class_names, full_prompts, tiny_clip

NAMES = class_names(7)
TEMPLATE = "a photo of a {}, a type of thing."


@pytest.fixture(scope="module", params=[{}, {"custom": True, "projection": "linear"}], ids=["clip", "custom"])
def clip(request):
    return tiny_clip(**request.param)


def written(clip, names=NAMES, template=TEMPLATE):
    """(C, 77, E) and (C,) of hand-written prompts."""
    text = getattr(clip.model, "text", clip.model)
    tokens = clip.tokenizer([template.format(name.replace("_", " ")) for name in names])
    return text.token_embedding(tokens).detach(), tokens.argmax(-1)


@pytest.mark.parametrize("layers", [(0, 1, 2), (1, 2), (2,), (1,), (0, 2)])
@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("K", [1, 5])
def test_vectors_behind_sos_from_a_later_layer_on(clip, layers, share, K):
    given = vectors(layers, K, clip.width)
    exact = WrittenPrompts(clip, NAMES, template=TEMPLATE).encode(inserted=Inserted(given, share), normalised=False)
    plain = full_encode_edited(clip.model, *written(clip), inserted=given, share=share)
    require_alike(exact, plain, list(given.values()))


def test_what_lies_below_the_vectors_is_computed_once(clip):
    prompts, given = WrittenPrompts(clip, NAMES, template=TEMPLATE), vectors((1, 2), 2, clip.width)
    calls = []
    handle = clip.text_tower.blocks[0].ln_1.register_forward_hook(lambda *_: calls.append(0))
    try:
        first = prompts.encode(inserted=Inserted(given))
        after_first = len(calls)
        with torch.no_grad():
            given[1].copy_(given[1].flip(-1))  # a layer norm sees no shift
        second = prompts.encode(inserted=Inserted(given))
    finally:
        handle.remove()
    assert len(calls) == after_first > 0
    assert (first - second).abs().max() > 1e-4  # what changed between two steps is not kept
    for other in (prompts.select([4, 1]), prompts.rebind([NAMES[4], NAMES[1]], TEMPLATE)):
        torch.testing.assert_close(other.encode(inserted=Inserted(given)), second[[4, 1]], atol=1e-5, rtol=0)


@pytest.mark.parametrize("layer", [1, 2])
def test_contexts_of_each_class_replace_the_shared_one_at_a_layer(clip, layer):
    ctx = vectors((0,), 4, clip.width)[0]
    own = vectors((layer,), len(NAMES), 4, clip.width, seed=4)
    exact = ClassPrompts(clip, NAMES, n_ctx=4).encode(ctx, deep=own, normalised=False)
    plain = full_encode_edited(clip.model, *full_prompts(clip, NAMES, ctx), deep=own)
    require_alike(exact, plain, [ctx, own[layer]])


def test_contexts_of_each_class_in_groups_and_chunks_of_prefixes():
    names = class_names(300)
    whole, cut = tiny_clip(), tiny_clip(text_memory_mb=1)
    ctx, own = vectors((0,), 4, whole.width)[0], vectors((1,), len(names), 4, whole.width, seed=4)
    answers = []
    for clip in (whole, cut):
        exact = ClassPrompts(clip, names, n_ctx=4).encode(ctx, deep=own)
        weights = torch.randn(exact.shape, generator=torch.Generator().manual_seed(2))
        answers.append((exact.detach(), *torch.autograd.grad((exact * weights).sum(), [ctx, own[1]])))
    for first, second in zip(*answers, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


def test_text_behind_the_name():
    clip = tiny_clip()
    ctx = clip.embed_words("a photo of a")
    for ending in (", a type of pet.", "", " texture."):
        encoded = ClassPrompts(clip, NAMES, n_ctx=4, ending=ending).encode(ctx)
        texts = [f"a photo of a {name.replace('_', ' ')}{ending}" for name in NAMES]
        torch.testing.assert_close(encoded, clip.encode_texts(texts), atol=1e-5, rtol=0)
    chosen = ClassPrompts(clip, NAMES, n_ctx=4, ending=", a type of pet.").select([2])
    assert chosen.ending == ", a type of pet."


@pytest.mark.parametrize(("layers", "parts"), [((0, 1, 2), "qkv"), ((0, 1, 2), "qkvo"), ((1,), "ko"), ((2,), "qo")])
def test_low_rank_updates_beside_the_products(clip, layers, parts):
    pairs = drawn_low_rank(layers, parts, clip.width)
    exact = WrittenPrompts(clip, NAMES, template=TEMPLATE).encode(adapters=as_adapters(pairs, {}), normalised=False)
    plain = full_encode_edited(clip.model, *written(clip), low_rank=pairs)
    require_alike(exact, plain, flat(pairs))


def test_layer_norms_with_weights_of_their_own(clip):
    norms, pairs = drawn_norms((0, 1, 2), clip.width), drawn_low_rank((0, 2), "v", clip.width)
    exact = WrittenPrompts(clip, NAMES, template=TEMPLATE).encode(adapters=as_adapters(pairs, norms), normalised=False)
    plain = full_encode_edited(clip.model, *written(clip), low_rank=pairs, norms=norms)
    require_alike(exact, plain, [*flat(norms), *flat(pairs)])


def test_adapters_leave_bytes_and_fingerprint_and_nothing_is_kept_across_a_step(clip):
    before, state = clip.fingerprint, {name: t.clone() for name, t in clip.model.state_dict().items()}
    prompts, pairs = WrittenPrompts(clip, NAMES, template=TEMPLATE), drawn_low_rank((0, 1, 2), "qkvo", clip.width)
    plain = prompts.encode()
    torch.testing.assert_close(plain, clip.encode_texts([TEMPLATE.format(n.replace("_", " ")) for n in NAMES]))
    first = prompts.encode(adapters=as_adapters(pairs, {}))
    first.square().mul(torch.arange(clip.dim)).sum().backward()
    with torch.no_grad():
        for tensor in flat(pairs):
            tensor -= tensor.grad
    second = prompts.encode(adapters=as_adapters(pairs, {}))
    assert (first - second).abs().max() > 1e-4
    expected = full_encode_edited(clip.model, *written(clip), low_rank=pairs)
    torch.testing.assert_close(second, torch.nn.functional.normalize(expected, dim=-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(prompts.encode(), plain)
    assert all(torch.equal(tensor, state[name]) for name, tensor in clip.model.state_dict().items())
    del clip.__dict__["fingerprint"]
    assert clip.fingerprint == before


def test_a_branch_that_draws_has_right_gradients_in_chunks():
    names, clip = class_names(120), tiny_clip(text_memory_mb=1)
    pairs, draws = drawn_low_rank((0, 1, 2), "q", clip.width), []

    def dropped(A, B):
        def branch(x):
            mask = torch.rand(x.shape, generator=generator) > 0.25
            draws.append(len(x))
            return (x * mask) @ A.T @ B.T

        return branch

    adapters = {layer: BlockAdapter(q=dropped(*pair)) for (layer, _), pair in pairs.items()}
    prompts, A = WrittenPrompts(clip, names), pairs[1, "q"][0]
    weights = torch.randn(len(names), clip.dim, generator=torch.Generator().manual_seed(2))

    def loss():
        return (prompts.encode(adapters=adapters) * weights).sum()

    generator = torch.Generator().manual_seed(0)
    (grad,) = torch.autograd.grad(loss(), A)
    count = len(draws)
    assert count > 6  # several chunks, none drawn twice
    step = torch.zeros_like(A)
    step[0, 3] = 1e-2
    values = []
    for sign in (1, -1):
        generator = torch.Generator().manual_seed(0)
        A.data += sign * step
        values.append(float(loss().detach()))  # with gradients on, so that chunks and their draws are the same
        A.data -= sign * step
    assert grad[0, 3] == pytest.approx((values[0] - values[1]) / 2e-2, rel=2e-2, abs=1e-3)


def test_what_does_not_fit_is_named(clip):
    prompts, given = WrittenPrompts(clip, NAMES), vectors((1,), 2, clip.width)
    adapters = as_adapters(drawn_low_rank((0,), "q", clip.width), {})
    with pytest.raises(ValueError, match="inserted and adapters are both given"):
        prompts.encode(inserted=Inserted(given), adapters=adapters)
    with pytest.raises(ValueError, match="adapters of layer 9: the text tower has layers 0 to 2"):
        prompts.encode(adapters={9: adapters[0]})
    with pytest.raises(ValueError, match="inserted vectors of layer 3: the text tower has layers 0 to 2"):
        prompts.encode(inserted=Inserted(vectors((3,), 2, clip.width)))
    with pytest.raises(ValueError, match=r"of layer 2 have shape \(3, 32\): \(K, 32\) is needed"):
        prompts.encode(inserted=Inserted(given | vectors((2,), 3, clip.width)))
    with pytest.raises(ValueError, match=r"share=1.5: a number from 0 to 1"):
        Inserted(given, share=1.5)
    with pytest.raises(ValueError, match="no vectors to insert"):
        Inserted({})
    states = clip.text_tower.prefix_states(Ragged.pack([clip.text_tower.embed([clip.sot_token])]))
    tails = clip.text_tokens(["a dog"])
    with pytest.raises(ValueError, match="prefixes that were worked on hold what blocks were then"):
        clip.text_tower.encode(states, tails, PairPlan.zip((1,), tails.lengths), adapters=adapters)
