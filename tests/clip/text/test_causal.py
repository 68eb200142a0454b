"""The exact tower against the plain full-length encoding: features and gradients, all layouts, any chunking."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip.text import memory
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.prompts.class_prompts import ClassPrompts
from tests.helpers.models import class_names, full_encode, full_prompts, tiny_clip

MODELS = {
    "quick_gelu": {},
    "gelu": {"quick_gelu": False},
    "custom_linear": {"custom": True, "projection": "linear"},
    "custom_none": {"custom": True, "projection": "none"},
}


@pytest.fixture(scope="module", params=MODELS)
def clip(request):
    return tiny_clip(**MODELS[request.param])


@pytest.fixture(scope="module")
def quick_clip():
    return tiny_clip()


def context(clip, names, M, csc, seed=1):
    shape = (len(names), M, clip.width) if csc else (M, clip.width)
    return (0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def weights_like(features, seed=2):
    return torch.randn(features.shape, generator=torch.Generator().manual_seed(seed))


def compare(clip, names, M, position, csc):
    """Features and context gradients of the exact tower and of the plain encoding."""
    ctx = context(clip, names, M, csc)
    exact = clip.text_tower.encode(*ClassPrompts(clip, names, n_ctx=M, position=position, csc=csc)(ctx))
    plain = full_encode(clip.model, *full_prompts(clip, names, ctx, position))
    weights = weights_like(plain)
    (exact_grad,) = torch.autograd.grad((exact * weights).sum(), ctx)
    (plain_grad,) = torch.autograd.grad((plain * weights).sum(), ctx)
    torch.testing.assert_close(exact, plain, atol=1e-5, rtol=0)
    assert (exact_grad - plain_grad).norm() <= 1e-4 * plain_grad.norm()
    assert plain_grad.norm() > 1e-3


@pytest.mark.parametrize("csc", [False, True])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("M", [1, 4, 5, 16])
def test_layouts_equal_plain_encoding(clip, M, position, csc):
    compare(clip, class_names(13), M, position, csc)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_any_number_of_classes(quick_clip, count):
    compare(quick_clip, class_names(count), 4, "end", csc=False)


@pytest.mark.parametrize("csc", [False, True])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_chunks_change_nothing(position, csc):
    whole, cut = tiny_clip(), tiny_clip(text_memory_mb=1)
    names = class_names(60)
    ctx = context(whole, names, 4, csc)
    answers, grads = [], []
    for clip in (whole, cut):
        prompts = ClassPrompts(clip, names, n_ctx=4, position=position, csc=csc)
        features = clip.text_tower.encode(*prompts(ctx))
        (grad,) = torch.autograd.grad((features * weights_like(features)).sum(), ctx)
        answers.append(features.detach())
        grads.append(grad)
    (chunks,) = prompts(ctx)[2].gathers.values()
    assert len(chunks) >= 3
    torch.testing.assert_close(answers[0], answers[1], atol=1e-5, rtol=0)
    assert (grads[0] - grads[1]).norm() <= 1e-4 * grads[0].norm()


def test_a_forward_pass_alone_runs_in_chunks_that_stay_in_the_processor_s_caches(quick_clip, monkeypatch):
    names = class_names(60)
    prompts = ClassPrompts(quick_clip, names, n_ctx=4)
    ctx = context(quick_clip, names, 4, csc=False)
    trained = quick_clip.text_tower.encode(*prompts(ctx))
    monkeypatch.setattr(memory, "FORWARD_MB", 1)
    with torch.no_grad():
        alone = quick_clip.text_tower.encode(*prompts(ctx))
    whole, cut = prompts(ctx)[2].gathers.values()
    assert len(whole) == 1
    assert len(cut) >= 3
    torch.testing.assert_close(alone, trained, atol=1e-5, rtol=0)


@pytest.mark.parametrize("megabytes", [1, 3, 500])
def test_one_prefix_per_image_is_the_loop(megabytes):
    """CoCoOp's layout: B contexts x C names, features or similarities, one group of prefixes or many."""
    clip = tiny_clip(text_memory_mb=megabytes)
    names, B, M = class_names(7), 30, 4
    generator = torch.Generator().manual_seed(3)
    contexts = (0.5 * torch.randn(B, M, clip.width, generator=generator)).requires_grad_()
    queries = F.normalize(torch.randn(B, clip.dim, generator=generator), dim=-1)
    prefixes, tails, plan = ClassPrompts(clip, names, n_ctx=M).for_images(contexts)
    features = clip.text_tower.encode(prefixes, tails, plan).view(B, len(names), -1)
    scores = clip.text_tower.encode(prefixes, tails, plan, queries=queries).view(B, len(names))
    plain = torch.stack([full_encode(clip.model, *full_prompts(clip, names, ctx)) for ctx in contexts])
    torch.testing.assert_close(features, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, (plain * queries[:, None]).sum(-1), atol=1e-5, rtol=0)
    targets = torch.arange(B) % len(names)
    (exact_grad,) = torch.autograd.grad(F.cross_entropy(10 * scores, targets), contexts)
    (plain_grad,) = torch.autograd.grad(F.cross_entropy(10 * (plain * queries[:, None]).sum(-1), targets), contexts)
    assert (exact_grad - plain_grad).norm() <= 1e-4 * plain_grad.norm()


def test_one_to_one_with_own_context(quick_clip):
    """SHIP's layout: SOS alone in front, every sample its own context and class."""
    clip, names, M = quick_clip, class_names(9), 4
    ctx = context(clip, names, M, csc=True)
    compare(clip, names, M, "end", csc=True)
    prompts = ClassPrompts(clip, names, n_ctx=M, csc=True)
    states, tails, _ = prompts(ctx)
    pairs = torch.tensor([[0, 8], [0, 0], [0, 3], [0, 8]])
    some = clip.text_tower.encode(states, tails, pairs)
    torch.testing.assert_close(some, clip.text_tower.encode(*prompts(ctx))[pairs[:, 1]], atol=1e-6, rtol=0)


@pytest.mark.parametrize("megabytes", [1, 500])
def test_deep_prompts_replace_prefix_positions(megabytes):
    """MaPLe's layout: positions 1..M are replaced before given layers, for one prefix and for many."""
    clip = tiny_clip(text_memory_mb=megabytes)
    names, M = class_names(40 if megabytes == 1 else 9), 2
    ctx = context(clip, names, M, csc=False)
    deep = {layer: context(clip, names, M, csc=False, seed=layer + 5) for layer in (1, 2)}
    prefix, tails, plan = ClassPrompts(clip, names, n_ctx=M)(ctx)
    exact = clip.text_tower.encode(prefix, tails, plan, deep={i: v[None] for i, v in deep.items()})
    embeddings, ends = full_prompts(clip, names, ctx)
    x = embeddings + clip.model.positional_embedding
    for i, block in enumerate(clip.model.transformer.resblocks):
        if i in deep:
            x = torch.cat([x[:, :1], deep[i].expand(len(x), -1, -1), x[:, 1 + M :]], dim=1)
        x = block(x, attn_mask=clip.model.attn_mask)
    x = clip.model.ln_final(x)[torch.arange(len(x)), ends] @ clip.model.text_projection
    plain = F.normalize(x, dim=-1)
    torch.testing.assert_close(exact, plain, atol=1e-5, rtol=0)
    leaves = [ctx, *deep.values()]
    exact_grads = torch.autograd.grad((exact * weights_like(exact)).sum(), leaves)
    plain_grads = torch.autograd.grad((plain * weights_like(plain)).sum(), leaves)
    for a, b in zip(exact_grads, plain_grads, strict=True):
        assert (a - b).norm() <= 1e-4 * b.norm()


def test_whole_texts_equal_open_clip(clip):
    texts = ["a photo of a cat.", "dog", "", "a very long sentence about nothing in particular, really!"]
    plain = clip.model.encode_text(clip.tokenizer(texts), normalize=True)
    torch.testing.assert_close(clip.encode_texts(texts), plain, atol=1e-5, rtol=0)


def test_random_pairs(quick_clip):
    """Ragged prefixes and tails, arbitrary pairs with repetitions."""
    clip = quick_clip
    generator = torch.Generator().manual_seed(0)

    def ragged(lengths):
        return Ragged(torch.randn(sum(lengths), clip.width, generator=generator), tuple(lengths))

    prefixes, tails = ragged([3, 1, 3, 6]), ragged([2, 5, 2, 1, 9])
    pairs = torch.stack(
        [torch.randint(4, (40,), generator=generator), torch.randint(5, (40,), generator=generator)], dim=1
    )
    exact = clip.text_tower.encode(prefixes, tails, pairs)
    heads, ends = prefixes.rows.split(prefixes.lengths), tails.rows.split(tails.lengths)
    for answer, (p, t) in zip(exact, pairs.tolist(), strict=True):
        prompt = torch.cat([heads[p], ends[t]])
        padded = F.pad(prompt, (0, 0, 0, 77 - len(prompt)))[None]
        plain = full_encode(clip.model, padded, torch.tensor([len(prompt) - 1]))[0]
        torch.testing.assert_close(answer, plain, atol=1e-5, rtol=0)


class Kept:
    """Bytes of distinct storages that autograd keeps within a block, without the weights."""

    def __init__(self, clip):
        self._weights = {parameter.untyped_storage().data_ptr() for parameter in clip.model.parameters()}
        self._storages = {}

    def __enter__(self):
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *failure):
        self._hooks.__exit__(*failure)

    def _pack(self, tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._storages[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address comes twice
        return tensor

    @property
    def bytes(self):
        return sum(size for size, _ in self._storages.values())


@pytest.mark.parametrize("M", [1, 16])
def test_the_count_is_what_is_kept(M):
    """One chunk keeps no more than the count says, and the count is not idle either."""
    clip = tiny_clip(width=64, layers=4, text_memory_mb=2000)
    names = class_names(100)
    prefix, tails, plan = ClassPrompts(clip, names, n_ctx=M)(context(clip, names, M, csc=False))
    counted = memory.prefix_bytes(clip.text_tower, prefix.lengths[0], True) + sum(
        block.pairs * memory.pair_bytes(clip.text_tower, block.prefix_length, block.tail_length, True)
        for block in plan.blocks
    )
    with Kept(clip) as kept:
        features = clip.text_tower.encode(prefix, tails, plan)
    assert features.requires_grad
    assert 0.5 * counted < kept.bytes <= counted


@pytest.mark.parametrize("images", [20, 80])
def test_a_budget_bounds_what_any_number_of_pairs_keeps(images):
    """Where only similarities are wanted, four times the pairs keep no more than their own inputs and answers."""
    clip = tiny_clip(text_memory_mb=2)
    names, M = class_names(20), 4
    generator = torch.Generator().manual_seed(0)
    prefixes = torch.randn(images, 1 + M, clip.width, generator=generator).requires_grad_()
    queries = F.normalize(torch.randn(images, clip.dim, generator=generator), dim=-1)
    _, tails, _ = ClassPrompts(clip, names, n_ctx=M)(context(clip, names, M, csc=False))
    plan = PairPlan.product((1 + M,) * images, tails.lengths)
    with Kept(clip) as kept:
        scores = clip.text_tower.encode(Ragged.stack(prefixes), tails, plan, queries=queries)
    inputs = 4 * (prefixes.numel() + queries.numel() + tails.rows.numel())
    assert scores.shape == (images * len(names),)
    assert kept.bytes <= clip.text_tower.budget + inputs + 4 * 8 * len(plan)


def test_below_the_minimum_names_it():
    clip = tiny_clip(width=512, heads=8, layers=12, text_memory_mb=1)
    prompts = ClassPrompts(clip, ["cat"], n_ctx=16)
    with pytest.raises(MemoryError, match=r"text_memory_mb=1 .* at least (\d+)"):
        clip.text_tower.encode(*prompts(context(clip, ["cat"], 16, csc=False)))


def test_too_long_a_prompt_names_the_class(quick_clip):
    with pytest.raises(ValueError, match=r"'(star ){40}star'.*context length of 77"):
        ClassPrompts(quick_clip, ["cat", " ".join(["star"] * 41)], n_ctx=40)
    with pytest.raises(ValueError, match="more than the 77 allowed"):
        quick_clip.encode_texts(["cat " * 80])


def test_gradient_reaches_the_prefix_once(quick_clip):
    """Work is counted: with one shared context, M + 1 prefix tokens and the tails' tokens are all that runs."""
    clip, names, M = quick_clip, class_names(20), 16
    seen = []
    handle = clip.model.transformer.resblocks[0].mlp.c_fc.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0].shape[0])
    )
    prompts = ClassPrompts(clip, names, n_ctx=M)
    clip.text_tower.encode(*prompts(context(clip, names, M, csc=False)))
    handle.remove()
    tails = sum(len(clip.tokenizer.encode(f"{name}.")) + 1 for name in names)
    assert sum(seen) == 1 + M + tails


def test_raw_features_are_those_of_the_plain_encoding(clip):
    names = class_names(9)
    for position, csc in (("end", False), ("middle", True), ("front", False)):
        ctx = context(clip, names, 4, csc)
        exact = ClassPrompts(clip, names, n_ctx=4, position=position, csc=csc).encode(ctx, normalised=False)
        plain = full_encode(clip.model, *full_prompts(clip, names, ctx, position), normalised=False)
        torch.testing.assert_close(exact, plain, atol=1e-5, rtol=1e-5)
        assert (plain.norm(dim=-1) - 1).abs().max() > 0.1
        (exact_grad,) = torch.autograd.grad((exact * weights_like(exact)).sum(), ctx)
        (plain_grad,) = torch.autograd.grad((plain * weights_like(plain)).sum(), ctx)
        assert (exact_grad - plain_grad).norm() <= 1e-4 * plain_grad.norm()


def test_raw_features_in_groups_and_of_images_and_samples(quick_clip):
    names, cut = class_names(5), tiny_clip(text_memory_mb=1)
    contexts = 0.5 * torch.randn(7, 4, quick_clip.width, generator=torch.Generator().manual_seed(3))
    whole = ClassPrompts(quick_clip, names, n_ctx=4).encode_for_images(contexts, normalised=False)  # (B, C, D)
    parts = ClassPrompts(cut, names, n_ctx=4).encode_for_images(contexts, normalised=False)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)
    queries = F.normalize(torch.randn(7, quick_clip.dim, generator=torch.Generator().manual_seed(4)), dim=-1)
    dots = ClassPrompts(cut, names, n_ctx=4).encode_for_images(contexts, queries=queries, normalised=False)
    torch.testing.assert_close(dots, torch.einsum("bcd,bd->bc", whole, queries), atol=1e-5, rtol=1e-5)
    samples = ClassPrompts(quick_clip, names, n_ctx=4).encode_for_samples(
        contexts, torch.tensor([4, 0, 1, 1, 2, 3, 0]), normalised=False
    )
    torch.testing.assert_close(samples, whole[torch.arange(7), [4, 0, 1, 1, 2, 3, 0]], atol=1e-5, rtol=1e-5)
