"""What turns a latent vector and a class name into a CLIP image feature: SHIP's prompt generator, and its ablation.

A decoder is bound to class names; ``rebind`` gives one that shares its weights for other names.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.class_texts import ClassTexts
from promptlab.prompts.starting_context import starting_context

Activation = Literal["relu", "leaky_relu"]


class PromptDecoder(nn.Module):
    """SHIP's: a small network moves the context of the class prompt, and CLIP's frozen text encoder reads it.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: not used.
        n_ctx: M, context vectors, drawn from N(0, 0.02).
        hidden: width of the network's hidden layer.
        activation: ``relu``, or ``leaky_relu`` with slope 0.2.
        generator: source of the random start.
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        template: str,
        *,
        n_ctx: int,
        hidden: int,
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.clip = clip
        self.net = mlp(clip.dim, hidden, clip.width, activation, generator).to(clip.device)
        self.ctx = nn.Parameter(starting_context(clip, None, n_ctx, default=4, generator=generator))  # (M, E)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=n_ctx)

    def contexts(self, z: Tensor) -> Tensor:
        """The prompts' context vectors (B, M, E) of latents (B, D): one shift for all M."""
        shift: Tensor = self.net(z).float()
        return self.ctx + shift.unsqueeze(1)

    def forward(self, z: Tensor, labels: Tensor, classes: Sequence[int] | None = None) -> Tensor:
        """Features (B, D), L2-normalised, of latents (B, D) and classes (B,), which may be given as numbers too."""
        return self.prompts.encode_for_samples(self.contexts(z), labels if classes is None else classes)

    def rebind(self, class_names: Sequence[str], template: str) -> Self:
        """The same weights for other names."""
        other = copy.copy(self)
        other.prompts = self.prompts.rebind(class_names)
        return other


class ScratchDecoder(nn.Module):
    """The paper's ablation without CLIP's text encoder: a network from scratch, told the class by its text feature.

    The paper gives no details; one hidden layer of the prompt generator's width, on latent and text feature side by
    side, is a reading of ours.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: the hand-written prompt that text features are made of.
        hidden: width of the hidden layer.
        activation: ``relu``, or ``leaky_relu`` with slope 0.2.
        generator: source of the random start.
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        template: str,
        *,
        hidden: int,
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.clip = clip
        self.net = mlp(2 * clip.dim, hidden, clip.dim, activation, generator).to(clip.device)
        self.text_features = ClassTexts(clip, class_names, template=template).features  # (C, D)

    def forward(self, z: Tensor, labels: Tensor, classes: Sequence[int] | None = None) -> Tensor:
        """Features (B, D), L2-normalised, of latents (B, D) and classes (B,)."""
        decoded: Tensor = self.net(torch.cat([z, self.text_features[labels]], dim=1))
        return F.normalize(decoded.float(), dim=-1)

    def rebind(self, class_names: Sequence[str], template: str) -> Self:
        """The same weights for other names."""
        other = copy.copy(self)
        other.text_features = ClassTexts(self.clip, class_names, template=template).features
        return other


Decoder = PromptDecoder | ScratchDecoder


def mlp(
    width_in: int,
    hidden: int,
    width_out: int,
    activation: Activation,
    generator: torch.Generator,
    *,
    last_bias: bool = True,
) -> nn.Sequential:
    """One hidden layer; weights from N(0, 0.02), biases 0, as SHIP starts all its networks."""
    between = nn.ReLU() if activation == "relu" else nn.LeakyReLU(0.2)
    last = small_linear(hidden, width_out, generator, bias=last_bias)
    return nn.Sequential(small_linear(width_in, hidden, generator), between, last)


def small_linear(width_in: int, width_out: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A linear layer with weights from N(0, 0.02) and biases 0."""
    layer = nn.Linear(width_in, width_out, bias=bias, device="meta").to_empty(device="cpu")  # no global random state
    nn.init.normal_(layer.weight, std=0.02, generator=generator)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
