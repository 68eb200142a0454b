"""Layers that start from a generator of their own."""

from __future__ import annotations

import math

import torch
from torch import nn


def linear(
    width_in: int,
    width_out: int,
    generator: torch.Generator,
    *,
    bias: bool = True,
    device: torch.device | str = "cpu",
) -> nn.Linear:
    """A linear layer with torch's default spread, U(-1/sqrt(in), 1/sqrt(in)), for weights and bias alike.

    Args:
        width_in: width of what it reads.
        width_out: width of what it gives.
        generator: source of the draw, on the CPU; torch's global stream stays untouched.
        bias: whether something is added.
        device: where the layer goes after the draw, which so is the same on every machine.
    """
    layer = nn.Linear(width_in, width_out, bias=bias, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(width_in)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer.to(device)
