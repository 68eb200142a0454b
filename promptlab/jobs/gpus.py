"""GPUs of this machine shared out among the processes of a sweep, one each, by the number of the first run in it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from promptlab.support.machine import gpu_count

VISIBLE = "CUDA_VISIBLE_DEVICES"


def name_gpus(environment: MutableMapping[str, str] = os.environ, count: int | None = None) -> None:
    """In the process of the sweep: say which GPUs there are, so that workers take theirs without asking CUDA.

    Args:
        environment: of this process, which its workers inherit.
        count: how many GPUs there are; asked if None.

    Example:
        >>> name_gpus(environment := {}, count=2)
        >>> environment
        {'CUDA_VISIBLE_DEVICES': '0,1'}
    """
    gpus = gpu_count() if count is None else count
    if gpus and VISIBLE not in environment:
        environment[VISIBLE] = ",".join(map(str, range(gpus)))


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
