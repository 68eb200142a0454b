"""A plain rendering of what the research code computes, written from the papers' formulas.

CoOp (https://arxiv.org/abs/2109.01134), CoCoOp (https://arxiv.org/abs/2203.05557) and SHIP
(https://arxiv.org/abs/2307.07397): every prompt goes through the text tower at full context length, padding included,
and the feature is read at the end-of-text token. Nothing here is used outside of measurements and tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.ship.generators import VAE, vae_loss


class PlainPrompts:
    """Class prompts ``[SOS, context, name, '.', EOT, padding]`` and their encoding at full length.

    Args:
        clip: the frozen backbone.
        class_names: C names.
        n_ctx: M, context vectors.
    """

    def __init__(self, clip: FrozenCLIP, class_names: Sequence[str], n_ctx: int) -> None:
        self.clip, self.n_ctx = clip, n_ctx
        self.text: Any = getattr(clip.model, "text", clip.model)
        placeholder = " ".join(["X"] * n_ctx)
        sentences = [f"{placeholder} {name.replace('_', ' ')}." for name in class_names]
        tokens = clip.tokenizer(sentences).to(clip.device)  # (C, L), L = 77
        self.ends = (tokens == clip.eot_token).int().argmax(-1)  # (C,)
        with torch.no_grad():
            self.embedded: Tensor = self.text.token_embedding(tokens).float()  # (C, L, E)

    def encode(self, contexts: Tensor, classes: Tensor | None = None) -> Tensor:
        """Text features (N, D), L2-normalised.

        Args:
            contexts: (M, E) for all prompts, or (N, M, E).
            classes: (N,) class of each prompt; all C in order if None.
        """
        embedded = self.embedded if classes is None else self.embedded[classes]
        ends = self.ends if classes is None else self.ends[classes]
        context = contexts.expand(len(embedded), -1, -1)  # (N, M, E)
        prompts = torch.cat([embedded[:, :1], context, embedded[:, 1 + self.n_ctx :]], dim=1)  # (N, L, E)
        x = (prompts + self.text.positional_embedding).to(self.clip.text_tower.dtype)
        x = self.text.transformer(x, attn_mask=self.text.attn_mask)
        x = self.text.ln_final(x)[torch.arange(len(x), device=x.device), ends]  # (N, E)
        projection = self.text.text_projection
        if isinstance(projection, nn.Module):
            x = projection(x)
        elif projection is not None:
            x = x @ projection
        return F.normalize(x.float(), dim=-1)


def coop_logits(prompts: PlainPrompts, ctx: Tensor, images: Tensor) -> Tensor:
    """CoOp's logits (B, C) of images (B, 3, H, W), which are encoded here."""
    return prompts.clip.logit_scale * prompts.clip.encode_images(images) @ prompts.encode(ctx).T


def cocoop_logits(prompts: PlainPrompts, ctx: Tensor, meta_net: nn.Module, features: Tensor) -> Tensor:
    """CoCoOp's logits (B, C), image by image: each shifts the context by its own vector.

    Args:
        prompts: the class prompts.
        ctx: (M, E).
        meta_net: feature (D,) to shift (E,).
        features: (B, D), L2-normalised.
    """
    rows = []
    for feature in features:
        text = prompts.encode(ctx + meta_net(feature))  # (C, D)
        rows.append(prompts.clip.logit_scale * feature @ text.T)
    return torch.stack(rows)


def ship_loss(prompts: PlainPrompts, vae: VAE, features: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
    """The loss of SHIP's generator: every sample's own prompt is encoded at full length.

    Args:
        prompts: the class prompts.
        vae: the generator, whose networks and context are used as they are.
        features: (B, D).
        labels: (B,).
        noise: (B, D) from N(0, 1).
    """
    mean, log_var = vae.encoder(features)
    z = mean + (0.5 * log_var).exp() * noise
    contexts = vae.decoder.ctx + vae.decoder.net(z).unsqueeze(1)  # (B, M, E)
    return vae_loss(prompts.encode(contexts, labels), features, mean, log_var)
