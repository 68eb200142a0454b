"""Tensors sent to a device without waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; the host goes on while a GPU copies it.

    Args:
        tensor: on the CPU, or there already.
        device: where it goes.

    Example:
        >>> import torch
        >>> sent(torch.arange(3), torch.device("cpu"))
        tensor([0, 1, 2])
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # what isn't pinned is copied before the call returns
    return tensor.to(device, non_blocking=True)
