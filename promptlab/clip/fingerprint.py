"""Which frozen model it is: features, fits and Results are told apart by this."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import nn

from promptlab.clip.precision import Precision


def fingerprint_of(model: nn.Module, precision: Precision) -> str:
    """Hash (16 hex digits) over architecture, weights and precision.

    Args:
        model: the model, on any device.
        precision: what its weights were converted to.
    """
    heads = [module.num_heads for module in model.modules() if hasattr(module, "num_heads")]  # not in repr
    digest = hashlib.sha256(f"{precision}\n{_architecture(model)}\n{heads}\n".encode())
    for name, tensor in sorted(model.state_dict().items()):
        data = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(data.shape)} {data.dtype}\n".encode())
        digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _architecture(model: nn.Module) -> str:
    """What the model prints; older torch leaves a normalisation's bias out of it, and ids must not differ."""
    return re.sub(r"(LayerNorm\w*\(.*elementwise_affine=True)\)", r"\1, bias=True)", str(model))
