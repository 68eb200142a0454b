"""The matrix products of a step, and with whose weights they are: what bounds it, whatever the learner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from promptlab.bench.flops import Product
from promptlab.clip.frozen import FrozenCLIP

TEXT, IMAGE, LEARNED = "text tower", "image tower", "learned layers"
_PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
_WRITTEN = (torch.ops.aten.mm.out, torch.ops.aten.addmm.out)
"""The same into memory that is there."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every product of two matrices, forward and backward, in place of computing it.

    Those of attention scores aren't among them.

    Args:
        clip: whose weights belong to the towers; all else is learned.
    """

    def __init__(self, clip: FrozenCLIP) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []
        self.flop: Counter[str] = Counter({TEXT: 0, IMAGE: 0, LEARNED: 0})
        visual = {parameter.untyped_storage().data_ptr() for parameter in clip.model.visual.parameters()}
        self._tower_of = {
            place: IMAGE if place in visual else TEXT
            for place in (parameter.untyped_storage().data_ptr() for parameter in clip.model.parameters())
        }

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _PRODUCTS + _WRITTEN:
            return func(*args, **kwargs)
        left, right = args[-2:]
        self._note(left, right)
        if func in _WRITTEN:
            return kwargs["out"].zero_()
        return left.new_zeros(len(left), right.shape[1])  # what it would be isn't needed, and takes most of the time

    def _note(self, left: Tensor, right: Tensor) -> None:
        towers = [self._tower_of.get(matrix.untyped_storage().data_ptr()) for matrix in (left, right)]
        of_tower = next((tower for tower in towers if tower), None)
        weight = right.detach() if towers[1] else torch.empty(right.shape, dtype=right.dtype, device=right.device)
        product = Product(left.shape[0], weight, backward=True)
        self.products.append(product)
        self.flop[of_tower or LEARNED] += product.flop


def record(step: Callable[[], object], clip: FrozenCLIP) -> Recorder:
    """Go through a step once and note its products; its numbers mean nothing.

    Args:
        step: what runs.
        clip: the backbone that it runs on.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation that hides its products
    try:
        recorder = Recorder(clip)
        with recorder:
            step()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return recorder
