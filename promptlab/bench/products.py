"""The matrix products of a pass, and nothing else: the rate that the same shapes reach on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from promptlab.bench.flops import Product


def products_alone(products: Sequence[Product]) -> Callable[[], None]:
    """A step that runs these products one after the other, with the model's weights, into buffers made beforehand."""
    buffers: dict[tuple[str, int, int], Tensor] = {}

    def buffer(role: str, rows: int, width: int, like: Tensor) -> Tensor:
        key = (role, rows, width)
        if key not in buffers:
            buffers[key] = torch.randn(rows, width, device=like.device).to(like.dtype)
        return buffers[key]

    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    for product in products:
        matrix = product.weight.detach() if product.backward else product.weight.detach().T
        rows = buffer("in", product.rows, matrix.shape[0], matrix)
        calls.append((rows, matrix, buffer("out", product.rows, matrix.shape[1], matrix)))

    def run() -> None:
        with torch.inference_mode():
            for rows, matrix, out in calls:
                torch.mm(rows, matrix, out=out)

    return run
