"""Towers with vectors and adapters in them, written out: open_clip's blocks one after the other, nothing shared."""

import torch
from torch import nn
from torch.func import functional_call

from promptlab.clip import BlockAdapter


def causal_mask(length):
    return torch.full((length, length), float("-inf")).triu(1)


def full_encode_edited(model, embeddings, eot, *, inserted=None, deep=None, share=1.0, low_rank=None, norms=None):
    """CLIP's encoding of (N, 77, E) token embeddings, read at (N,): (N, D), not normalised.

    ``inserted`` and ``deep`` are layer to (K, E) or (N, K, E); ``low_rank`` is {(layer, "q"): (A, B)}, ``norms``
    {(layer, "ln_1"): (weight, bias)}.
    """
    text = getattr(model, "text", model)
    x, eot = embeddings + text.positional_embedding, torch.as_tensor(eot)
    for layer, block in enumerate(text.transformer.resblocks):
        x, moved = with_vectors(x, layer, inserted or {}, deep or {}, share)
        eot = eot + moved
        x = functional_call(
            block, weights_of(block, layer, low_rank, norms), (x,), {"attn_mask": causal_mask(x.shape[1])}
        )
    x = text.ln_final(x)[torch.arange(len(x)), eot]
    if isinstance(text.text_projection, nn.Module):
        return text.text_projection(x)
    return x if text.text_projection is None else x @ text.text_projection


def full_image_encode_edited(model, images, *, inserted=None, share=1.0, low_rank=None, norms=None):
    """All tokens (B, L, V) after the last layer norm."""
    visual = model.visual
    patches = visual.conv1(images).flatten(2).transpose(1, 2)
    first = visual.class_embedding.expand(len(images), 1, -1)
    x = visual.ln_pre(torch.cat([first, patches], 1) + visual.positional_embedding)
    for layer, block in enumerate(visual.transformer.resblocks):
        x, _ = with_vectors(x, layer, inserted or {}, {}, share)
        x = functional_call(block, weights_of(block, layer, low_rank, norms), (x,))
    return visual.ln_post(x)


def with_vectors(x, layer, inserted, deep, share):
    """The tokens with a layer's vectors, and by how much the last ones moved."""
    if inserted and layer == min(inserted):
        vectors = inserted[layer].expand(len(x), -1, -1)
        return torch.cat([x[:, :1], vectors, x[:, 1:]], 1), vectors.shape[1]
    for given in (inserted, deep):
        if layer in given:
            vectors = given[layer].expand(len(x), -1, -1)
            K = vectors.shape[1]
            mixed = share * vectors + (1 - share) * x[:, 1 : 1 + K]
            return torch.cat([x[:, :1], mixed, x[:, 1 + K :]], 1), 0
    return x, 0


def weights_of(block, layer, low_rank, norms):
    """A block's weights with low-rank updates added to the matrices, and other layer norms."""
    own = {}
    delta = {part: B @ A for (at, part), (A, B) in (low_rank or {}).items() if at == layer}
    if {"q", "k", "v"} & delta.keys():
        zero = torch.zeros_like(block.attn.out_proj.weight)
        stacked = torch.cat([delta.get(part, zero) for part in "qkv"])
        own["attn.in_proj_weight"] = block.attn.in_proj_weight + stacked
    if "o" in delta:
        own["attn.out_proj.weight"] = block.attn.out_proj.weight + delta["o"]
    for (at, norm), (weight, bias) in (norms or {}).items():
        if at == layer:
            own |= {f"{norm}.weight": weight, f"{norm}.bias": bias}
    return own


def drawn_low_rank(layers, parts, width, rank=2, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return {
        (layer, part): (
            torch.randn(rank, width, generator=generator).mul(width**-0.5).requires_grad_(),
            torch.randn(width, rank, generator=generator).mul(0.3).requires_grad_(),
        )
        for layer in layers
        for part in parts
    }


def drawn_norms(layers, width, seed=6):
    generator = torch.Generator().manual_seed(seed)
    return {
        (layer, name): (
            (1 + 0.3 * torch.randn(width, generator=generator)).requires_grad_(),
            (0.3 * torch.randn(width, generator=generator)).requires_grad_(),
        )
        for layer in layers
        for name in ("ln_1", "ln_2")
    }


def as_adapters(low_rank, norms):
    """The same as promptlab takes it."""
    layers = {layer for layer, _ in (*low_rank, *norms)}
    parts = {layer: {} for layer in layers}
    for (layer, part), (A, B) in low_rank.items():
        parts[layer][part] = lambda x, A=A, B=B: x @ A.T @ B.T
    for (layer, name), pair in norms.items():
        parts[layer][name] = pair
    return {layer: BlockAdapter(**own) for layer, own in parts.items()}


def require_alike(exact, plain, parameters, *, atol=1e-5):
    """Values to 1e-5, gradients to 1e-4 of their norm; every parameter has one."""
    torch.testing.assert_close(exact, plain, atol=atol, rtol=1e-5)
    weights = torch.randn(plain.shape, generator=torch.Generator().manual_seed(2))
    grads = torch.autograd.grad((exact * weights).sum(), parameters)
    expected = torch.autograd.grad((plain * weights).sum(), parameters)
    for grad, wanted in zip(grads, expected, strict=True):
        assert wanted.norm() > 1e-5
        assert (grad - wanted).norm() <= 1e-4 * wanted.norm() + 1e-7


def vectors(layers, *shape, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(*shape, generator=generator).mul(0.5).requires_grad_() for layer in layers}


def flat(pairs):
    return [tensor for pair in pairs.values() for tensor in pair]
