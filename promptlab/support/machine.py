"""The machine that numbers were made on, and the memory that this process takes of it."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_CPU_INFO = Path("/proc/cpuinfo")


def usable_cpus() -> int:
    """How many processors this process may use.

    Example:
        >>> usable_cpus() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reader_threads() -> int:
    """How many threads read and decode files at once: more than eight wait for the disk.

    Example:
        >>> 1 <= reader_threads() <= 8
        True
    """
    return min(8, usable_cpus())


def processor() -> str:
    """The processor's name as the system gives it; perhaps empty."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def gpu(device: str) -> str | None:
    """The name of a CUDA device; None for other devices, and where there is none.

    Example:
        >>> gpu("cpu") is None
        True
    """
    import torch

    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(device)


def gpu_count() -> int:
    """How many CUDA devices this process may use; asking starts none of them.

    Example:
        >>> gpu_count() >= 0
        True
    """
    import torch

    return torch.cuda.device_count()


def memory_bytes() -> int:
    """The resident memory of this process, in bytes; where the system tells only the peak, that; 0 if nothing."""
    return _status("VmRSS") if _STATUS.exists() else _peak_of_usage()


def peak_memory_bytes() -> int:
    """The most resident memory that this process has held so far, in bytes; 0 where the system doesn't tell.

    Example:
        >>> peak_memory_bytes() >= 0
        True
    """
    return _status("VmHWM") if _STATUS.exists() else _peak_of_usage()


def peak_gpu_bytes(device: torch.device) -> int | None:
    """The most memory that torch has held on a CUDA device since :func:`restart_gpu_peak`, in bytes; None without one.

    Example:
        >>> import torch
        >>> peak_gpu_bytes(torch.device("cpu")) is None
        True
    """
    import torch

    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def restart_gpu_peak(device: torch.device) -> None:
    """Count the peak of a CUDA device afresh from here; of other devices nothing is counted.

    Example:
        >>> import torch
        >>> restart_gpu_peak(torch.device("cpu"))
    """
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def restart_peak() -> int:
    """Count the peak afresh from here; returns the memory that later peaks are to be compared with, in bytes.

    That is the memory in use where the system allows it (Linux, but not every container), else the peak so far.
    """
    try:
        _CLEAR.write_text("5")
    except OSError:
        return peak_memory_bytes()
    return memory_bytes()


def return_free_memory() -> None:
    """Give freed memory back to the system, which glibc alone keeps, so that it doesn't serve what is measured."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _status(key: str) -> int:
    line = next((line for line in _STATUS.read_text().splitlines() if line.startswith(key)), f"{key} 0 kB")
    return int(line.split()[1]) * 1024


def _peak_of_usage() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
