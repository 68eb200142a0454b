"""GPUs of this machine shared out among the processes of a sweep, one each, by the number of the first run in it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from promptlab.support.machine import gpu_count

VISIBLE = "CUDA_VISIBLE_DEVICES"


def named_gpus(count: int | None = None) -> dict[str, str]:
    """What the process of a sweep hands to its workers, so that each takes a GPU without asking CUDA; nothing without.

    Args:
        count: how many GPUs there are; asked if None.

    Example:
        >>> named_gpus(2), named_gpus(0)
        ({'CUDA_VISIBLE_DEVICES': '0,1'}, {})
    """
    gpus = gpu_count() if count is None else count
    return {VISIBLE: ",".join(map(str, range(gpus)))} if gpus else {}


def take_gpu(job: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """In a worker, before CUDA starts in it: see one GPU alone. Where there is none, or one, nothing happens.

    Args:
        job: number of the run, from 0; a worker's later runs stay where its first one was.
        environment: of this process.

    Example:
        >>> environment = {"CUDA_VISIBLE_DEVICES": "4,5,6"}
        >>> take_gpu(1, environment), take_gpu(2, environment)
        (None, None)
        >>> environment
        {'CUDA_VISIBLE_DEVICES': '5'}
    """
    gpus = [gpu for gpu in environment.get(VISIBLE, "").split(",") if gpu]
    if len(gpus) > 1:
        environment[VISIBLE] = gpus[job % len(gpus)]
