"""Which device computes: the one that is named, or the best that this machine has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from promptlab.support.machine import gpu
from promptlab.support.words import first_line

if TYPE_CHECKING:
    import torch

AUTO = "auto"
VARIABLE = "PROMPTLAB_DEVICE"


def is_device(device: str | torch.device) -> bool:
    """Whether it is ``auto`` or the name of a device that torch knows, be it here or elsewhere.

    Example:
        >>> is_device("cuda:0"), is_device("auto"), is_device("gpu")
        (True, True, False)
    """
    import torch

    try:
        torch.device("cpu" if device == AUTO else device)
    except RuntimeError:
        return False
    return True


def usable_device(device: str | torch.device = AUTO) -> torch.device:
    """The device of a name, with its index, once something could be put on it.

    Args:
        device: its name; ``auto`` for what ``PROMPTLAB_DEVICE`` names, else cuda, mps or the cpu, the first that is
            there.

    Raises:
        ValueError: for one that isn't here, or that torch doesn't know.

    Example:
        >>> usable_device("cpu")
        device(type='cpu')
    """
    import torch

    given = f"device={str(device)!r}"
    if device == AUTO:
        device = os.environ.get(VARIABLE, "") or AUTO
        given = f"{VARIABLE}={device}"
    try:
        return torch.empty(0, device=_best() if device == AUTO else device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"{given} can't be used here ({first_line(error)}): use 'cpu', 'cuda' with a GPU, or 'auto'"
        ) from None


def device_text(device: torch.device | str) -> str:
    """A device with the name of the GPU that it is.

    Example:
        >>> device_text("cpu")
        'cpu'
    """
    name = gpu(str(device))
    return f"{device} ({name})" if name else str(device)


def multiplies_bf16_faster(device: torch.device) -> bool:
    """Whether a device has matrix units for bf16: a processor's AMX, or the tensor cores of a GPU since Ampere.

    Example:
        >>> import torch
        >>> multiplies_bf16_faster(torch.device("mps"))
        False
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def _best() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
