"""Random streams that are functions of names and numbers, never of what ran before."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part, e.g. run seed, stage and epoch."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(*parts: str | int) -> torch.Generator:
    """A CPU generator at :func:`stream_seed` of the parts."""
    return torch.Generator().manual_seed(stream_seed(*parts))
