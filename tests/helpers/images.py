"""Pictures, and a prompted image tower written out by hand."""

import torch
from torch.nn import functional as F


def pictures(count=4):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def prompted_by_hand(model, images, prompts, *, normalised=True):
    """One image, one token and one layer at a time: (B, D)."""
    visual, features = model.visual, []
    for image in images:
        patches = visual.conv1(image[None])[0].flatten(1).T  # (patches, V)
        tokens = [visual.class_embedding, *patches]
        tokens = [token + position for token, position in zip(tokens, visual.positional_embedding, strict=True)]
        x = visual.ln_pre(torch.stack([*tokens, *prompts[0]]))
        for layer, block in enumerate(visual.transformer.resblocks):
            if layer > 0 and layer in prompts:
                x = torch.stack([*x[: len(tokens)], *prompts[layer]])
            x = block(x[None])[0]
        features.append(visual.ln_post(x[0]) @ visual.proj)
    found = torch.stack(features)
    return F.normalize(found, dim=-1) if normalised else found
