"""Pictures decoded and augmented in processes that live as long as their stage."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promptlab.data.amounts import Workers
from promptlab.support.errors import DatasetError, PromptlabError
from promptlab.support.machine import usable_cpus
from promptlab.training.pictures import Pictures

MOST = 8
"""Processes that ``auto`` starts: eight feed a step of ViT-B/16 on any GPU, see experiments/performance."""


class LostDecoderError(PromptlabError, RuntimeError):
    """A process that decodes pictures was killed."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"a process that decodes pictures was killed, perhaps for want of memory or of shared memory (/dev/shm): "
            f"data.workers=0 decodes without such processes, a smaller number needs less ({said})"
        )


class Decoder:
    """Gives a dataset's pictures batch by batch, decoded ahead by processes that go on from epoch to epoch.

    Args:
        images: what is decoded; their views follow from seed, epoch and position, not from who decodes them.
        workers: processes; 0 decodes when a batch is asked for.
        generator: seeds the processes, which would else be drawn from torch's own stream.
    """

    def __init__(self, images: Pictures, workers: int, generator: torch.Generator) -> None:
        self._rows: list[list[int]] = []
        self._loader = DataLoader(
            images,
            batch_sampler=self._rows,
            num_workers=workers,
            generator=generator,
            pin_memory=torch.cuda.is_available(),  # or copies to the GPU would be waited for
            persistent_workers=workers > 0,
        )

    def batches(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """The pictures (B, ...) and labels (B,) of each batch of positions.

        Raises:
            DatasetError: if a picture can't be read; the message names it.
            LostDecoderError: if a process was killed.
        """
        self._rows[:] = [part.tolist() for part in rows]
        try:
            yield from self._loader
        except DatasetError as error:  # from another process it comes with that one's traceback
            raise DatasetError(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from None
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise LostDecoderError(str(error).splitlines()[0]) from None


def workers_for(workers: Workers, batches: int) -> int:
    """How many processes decode.

    ``auto`` leaves one of the processors that torch may compute with to the trainer; on one alone, within a process
    that may start none, and where a new one would begin by importing everything anew (macOS), there is none. More than
    an epoch has batches would have nothing to do.

    Args:
        workers: what was asked for.
        batches: of an epoch.

    Example:
        >>> workers_for(4, batches=100), workers_for(4, batches=1), 0 <= workers_for("auto", batches=100) <= MOST
        (4, 0, True)
    """
    if batches < 2:
        return 0
    if workers == "auto":
        # Forked, as torch's DataLoader does by itself, though torch has threads by then: a forked process has none of
        # them, and torch lets it compute with one, so none is waited for; it opens pictures and takes no lock that
        # another thread could have held. Spawned or from a fork server it would import torch anew, seconds each time.
        start = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
        alone = multiprocessing.current_process().daemon or start != "fork"
        return 0 if alone else min(MOST, usable_cpus() - 1, torch.get_num_threads() - 1, batches)
    return min(workers, batches)
