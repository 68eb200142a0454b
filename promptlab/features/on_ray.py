"""Encoding on a Ray cluster: actors that each hold the backbone write shards; the one file that imports ray.

A piece of work is a block of a Ray dataset, and becomes one shard. An actor writes it itself, whole or not at all, so a
piece is done when its file is there: whoever repeats a piece, after a kill or beside another encoder, looks first.
"""

from __future__ import annotations

import logging
import os
import platform
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.data.amounts import FeatureKind
from promptlab.data.items import ImageSource
from promptlab.features.encode import ImageEncoder, Job, Row, Unreadable, encode_jobs
from promptlab.features.shard_files import write_shard
from promptlab.features.shards import MARKER, find_rows, folder_of
from promptlab.features.store import Collection
from promptlab.features.transforms import TrainingTransform
from promptlab.support.arrays import BoolArray
from promptlab.support.errors import DatasetError, PromptlabError, UsageError
from promptlab.support.extras import extra
from promptlab.support.words import counted, first_line

ENVIRONMENT = {
    # Under `uv run` Ray would build the environment anew on every worker; promptlab is installed where workers are.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # It warns of every restartable actor that has arguments.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
_MOST_ROWS, _PIECES_PER_ACTOR = 4096, 16


class RayError(PromptlabError, RuntimeError):
    """Encoding on Ray ended before all was done; what was written stays."""


@dataclass(frozen=True)
class Part:
    """Images that are encoded in one way.

    Args:
        source: where they are; files are under the same paths on every machine.
        transform: the evaluation transform, or a training transform to draw views from.
        collections: V of the backbone and transform, by view.
        kind: which feature of an image.
    """

    source: ImageSource
    transform: Callable[[Image.Image], Tensor] | TrainingTransform
    collections: tuple[Collection, ...]
    kind: FeatureKind


@dataclass(frozen=True)
class Plan:
    """What actors do, wherever they are.

    Args:
        load: loads the backbone, on the device that actors have.
        backbone: its fingerprint.
        parts: what is encoded, with that backbone.
        root: the folder of all shards, which every machine sees.
        batch_size: pictures per batch.
        threads: of torch in each actor: with another number features may have other bits.
    """

    load: Callable[[], ImageEncoder]
    backbone: str
    parts: tuple[Part, ...]
    root: Path
    batch_size: int
    threads: int


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
        address: ``auto``, ``ray://HOST:PORT``, or None for ``RAY_ADDRESS`` or this machine alone.

    Raises:
        UsageError: if ray isn't installed.
        RayError: if there is no such cluster.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    with extra("ray", "--ray"):
        import ray
        import ray.data
    before = ray.is_initialized()
    if not before:
        dashboard = None if address or "RAY_ADDRESS" in os.environ else False  # for a cluster of this process's own
        try:
            ray.init(address=address, include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises that kind itself
            where = "Ray can't be started here" if dashboard is False else "Ray can't be reached"
            raise RayError(f"{where}: {first_line(error)}") from error
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        there = ray.cluster_resources()
        yield Cluster(len(alive), int(there.get("CPU", 0)), int(there.get("GPU", 0)))
    finally:
        if not before:
            ray.shutdown()


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
        RayError: if actors can't do it.
    """
    import pyarrow as pa
    import ray
    from ray.exceptions import RayError as RaisedByRay

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars, context.print_on_execution_start = False, False
    total = sum(len(job.views) for own in jobs for job in own)
    size = rows_of_a_piece(total, actors, plan.batch_size)
    pieces = [(part, piece) for part, own in enumerate(jobs) for piece in pieces_of(own, size)]
    first = random.Random(os.getpid()).randrange(len(pieces))  # two encoders of the same begin at different pieces
    blocks = [pa.table(_columns(part, piece)) for part, piece in pieces[first:] + pieces[:first]]
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
        raise RayError(f"encoding on Ray failed, what was written stays: {_cause(error)}") from error
    unreadable.refuse()
    return encoded


def rows_of_a_piece(total: int, actors: int, batch_size: int) -> int:
    """How many rows a shard gets: whole batches; so few that a kill costs little, so many that files are few.

    Args:
        total: rows in all.
        actors: how many share them.
        batch_size: pictures per batch.

    Example:
        >>> rows_of_a_piece(8100, 2, 64), rows_of_a_piece(14_200_000, 8, 64)
        (192, 4096)
    """
    most = min(_MOST_ROWS, total // (actors * _PIECES_PER_ACTOR))
    return max(batch_size, most - most % batch_size)


def pieces_of(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    """Jobs in the order of their contents, cut into the shards-to-be.

    Args:
        jobs: each content once.
        size: rows of a piece, at least one job's.

    Example:
        >>> [len(piece) for piece in pieces_of([Job(place, f"{place:032x}", (0, 1)) for place in range(10)], 8)]
        [4, 4, 2]
    """
    pieces: list[list[Job]] = []
    room = 0
    for job in sorted(jobs, key=lambda job: job.content):
        if not pieces or room < len(job.views):
            pieces.append([])
            room = size
        pieces[-1].append(job)
        room -= len(job.views)
    return pieces


class Encoder:
    """An actor: holds the backbone, and turns pieces into shards.

    Args:
        plan: what to do.

    Raises:
        RayError: if this machine sees another folder, or has other weights.
    """

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(plan.threads)
        self.plan, self.clip = plan, plan.load()
        wanted = plan.backbone
        if self.clip.fingerprint != wanted:
            raise RayError(f"{platform.node()} loaded {self.clip.name} {self.clip.fingerprint}, not {wanted}: it has "
                           "other weights, or another version of open_clip or torch")  # fmt: skip
        if not (plan.root / MARKER).exists():
            raise RayError(f"{platform.node()} doesn't see {plan.root} as this machine does: shards need a folder that "
                           "every machine reads")  # fmt: skip

    def __call__(self, block: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Encode what isn't there yet of a piece, and write it down."""
        plan, part = self.plan, self.plan.parts[int(block["part"][0])]
        jobs = _jobs(block)
        unreadable, rows = Unreadable(), list[Row]()
        try:
            for encoded in encode_jobs(
                self.clip,
                part.source,
                self._left(part, jobs),
                part.transform,
                unreadable,
                batch_size=plan.batch_size,
                kind=part.kind,
            ):
                rows += encoded
        except DatasetError:
            if not unreadable.messages:
                raise  # else there are too many to go on with this piece, and the messages say which
        if rows:
            write_shard(folder_of(plan.root, part.collections[0]), part.collections, rows)
        wanted = sum(len(job.views) for job in jobs)
        return {"rows": [wanted], "encoded": [len(rows)], "unreadable": [unreadable.messages]}

    def _left(self, part: Part, jobs: Sequence[Job]) -> list[Job]:
        """What another encoder, or this piece before a kill, has not written."""
        left = np.zeros((len(jobs), len(part.collections)), dtype=np.bool_)
        for place, job in enumerate(jobs):
            left[place, list(job.views)] = True
        for found in find_rows(self.plan.root, part.collections, [job.content for job in jobs], left.copy()):
            left[found.at] = False
        return jobs_of([(job.index, job.content) for job in jobs], left)


def jobs_of(images: Sequence[tuple[int, str]], wanted: BoolArray) -> list[Job]:
    """Jobs of those images of which something is wanted.

    Args:
        images: position in the source and content id of each.
        wanted: (U, V), which views.

    Example:
        >>> jobs_of([(7, "aa"), (8, "bb")], np.array([[False, False], [False, True]]))
        [Job(index=8, content='bb', views=(1,))]
    """
    left = zip(images, wanted, strict=True)
    return [Job(index, content, tuple(np.flatnonzero(row).tolist())) for (index, content), row in left if row.any()]


def _columns(part: int, jobs: Sequence[Job]) -> dict[str, list[Any]]:
    return {
        "part": [part] * len(jobs),
        "index": [job.index for job in jobs],
        "content": [job.content for job in jobs],
        "views": [list(job.views) for job in jobs],
    }


def _jobs(block: Mapping[str, Any]) -> list[Job]:
    columns = (block[key].tolist() for key in ("index", "content", "views"))
    return [Job(index, content, tuple(map(int, views))) for index, content, views in zip(*columns, strict=True)]


def _cause(error: Exception) -> str:
    """The last line of what an actor said: Ray's own message holds its whole traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
