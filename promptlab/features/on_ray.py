"""Encoding on a Ray cluster: actors that each hold the backbone, and write shards; the one file that imports ray."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from promptlab.features.actors import ActorError, Encoder, Plan, columns_of, pieces_of, rows_of_a_piece
from promptlab.features.encode import Job, Unreadable
from promptlab.support.errors import DatasetError, UsageError
from promptlab.support.extras import extra
from promptlab.support.words import counted, first_line

ENVIRONMENT = {
    # Under `uv run` Ray would build the environment anew on every worker; promptlab is installed where workers are.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # It warns of every restartable actor that has arguments.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
_STARTS = 4


@dataclass(frozen=True)
class Cluster:
    """The Ray that this process is connected to.

    Args:
        nodes: machines.
        cpus: logical processors of all.
        gpus: of all.
    """

    nodes: int
    cpus: int
    gpus: int

    @property
    def device(self) -> str:
        """Where actors encode."""
        return "cuda" if self.gpus else "cpu"

    def actors(self, wanted: int | None, threads: int) -> int:
        """How many actors to start: as many as asked for, or as have room.

        Raises:
            UsageError: if there is no room for as many.
        """
        room = self.gpus or self.cpus // threads
        if (wanted or 1) > room:
            raise UsageError(self._no_room(wanted or 1, threads, room))
        return wanted or room

    def _no_room(self, wanted: int, threads: int, room: int) -> str:
        if self.gpus:
            return f"--actors {wanted}: the cluster has {counted(self.gpus, 'GPU')}, and each actor takes one"
        return (
            f"--actors {wanted}: there is room for {room}, as each takes {threads} of {self.cpus} processors, as many "
            "as torch has threads here, because another number may give other bits. With OMP_NUM_THREADS=1, here and "
            "where else features are encoded, there is room for more"
        )


@contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """Be connected to Ray: to the cluster at an address, or one of this machine that ends with the block.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for ``RAY_ADDRESS`` or this machine alone.

    Raises:
        UsageError: if ray isn't installed.
        ActorError: if there is no such cluster.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    with extra("ray", "--ray"):
        import ray
        import ray.data
    before = ray.is_initialized()
    if not before:
        _connect(ray, address)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        there = ray.cluster_resources()
        yield Cluster(len(alive), int(there.get("CPU", 0)), int(there.get("GPU", 0)))
    finally:
        if not before:
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    """Start Ray, or reach it; a busy machine gets more than the half minute that Ray gives itself.

    Raises:
        ActorError: with Ray's reason.
    """
    is_own = not address and "RAY_ADDRESS" not in os.environ
    for left in range(_STARTS if is_own else 1, 0, -1):
        try:
            ray.init(
                address=address,
                include_dashboard=False if is_own else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            return
        except Exception as error:  # Ray raises that kind itself
            ray.shutdown()
            if left == 1:
                what = "started here" if is_own else "reached"
                raise ActorError(f"Ray can't be {what}: {first_line(error)}") from error


def encode_on_ray(
    plan: Plan, jobs: Sequence[Sequence[Job]], actors: int, *, gpus: bool, advance: Callable[[int], object]
) -> int:
    """Encode into shards, on actors that Ray starts again when they are killed.

    Args:
        plan: how.
        jobs: for each part of the plan what to encode, each content once.
        actors: how many.
        gpus: whether each has a GPU.
        advance: told of rows as they are written.

    Returns:
        How many rows were encoded; others have been written by somebody else meanwhile.

    Raises:
        DatasetError: if images can't be read; those are named, and the others kept.
        ActorError: if actors can't do it.
    """
    import pyarrow as pa
    import ray
    from ray.exceptions import RayError as RaisedByRay

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    total = sum(len(job.views) for own in jobs for job in own)
    size = rows_of_a_piece(total, actors, plan.batch_size)
    pieces = [(part, piece) for part, own in enumerate(jobs) for piece in pieces_of(own, size)]
    first = random.Random(os.getpid()).randrange(len(pieces))  # two encoders of the same begin at different pieces
    blocks = [pa.table(columns_of(part, piece)) for part, piece in pieces[first:] + pieces[:first]]
    room: dict[str, Any] = {"num_gpus": 1} if gpus else {"num_cpus": plan.threads}
    done = ray.data.from_arrow(blocks).map_batches(
        Encoder,
        fn_constructor_args=(plan,),
        batch_size=None,  # a block is a piece
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=actors),  # which starts killed actors again, and repeats their pieces
        **room,
    )
    unreadable, encoded = Unreadable(), 0
    try:
        for piece in done.iter_rows():
            encoded += piece["encoded"]
            advance(piece["rows"])
            for message in piece["unreadable"]:
                unreadable.add(DatasetError(message))
    except RaisedByRay as error:
        raise ActorError(f"encoding on Ray failed, what was written stays: {_cause(error)}") from error
    unreadable.refuse()
    return encoded


def _cause(error: Exception) -> str:
    """The last line of what an actor said: Ray's own message holds its whole traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
