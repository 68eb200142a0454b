"""What an actor does that encodes, wherever it is: pieces of work into shards. Nothing here knows Ray.

A piece becomes one shard, which the actor writes itself, whole or not at all. So a piece is done when its file is
there: whoever repeats one, after a kill or beside another encoder, looks first.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.data.amounts import FeatureKind
from promptlab.data.items import ImageSource
from promptlab.features.collection import Collection
from promptlab.features.encode import ImageEncoder, Job, Row, Unreadable, encode_jobs
from promptlab.features.shard_files import write_shard
from promptlab.features.shards import MARKER, find_rows, folder_of
from promptlab.features.transforms import TrainingTransform
from promptlab.support.arrays import BoolArray
from promptlab.support.errors import DatasetError, PromptlabError
from promptlab.support.files import sweep_leftovers

_MOST_ROWS, _PIECES_PER_ACTOR = 4096, 16


class ActorError(PromptlabError, RuntimeError):
    """Encoding beyond this process ended before all was done; what was written stays."""


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


class Encoder:
    """An actor: holds the backbone, and turns pieces into shards.

    Args:
        plan: what to do.

    Raises:
        ActorError: if this machine sees another folder, or has other weights.
    """

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(plan.threads)
        self.plan, self.clip = plan, plan.load()
        wanted = plan.backbone
        if self.clip.fingerprint != wanted:
            raise ActorError(f"{platform.node()} loaded {self.clip.name} {self.clip.fingerprint}, not {wanted}: it has "
                             "other weights, or another version of open_clip or torch")  # fmt: skip
        if not (plan.root / MARKER).exists():
            raise ActorError(f"{platform.node()} doesn't see {plan.root} as the machine does that started this: shards "
                             "need a folder that every machine reads")  # fmt: skip
        for part in plan.parts:
            sweep_leftovers(folder_of(plan.root, part.collections[0]))

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


def columns_of(part: int, jobs: Sequence[Job]) -> dict[str, list[Any]]:
    """A piece as a table, which is how it travels.

    Args:
        part: which of the plan's.
        jobs: of the piece.
    """
    return {
        "part": [part] * len(jobs),
        "index": [job.index for job in jobs],
        "content": [job.content for job in jobs],
        "views": [list(job.views) for job in jobs],
    }


def _jobs(block: Mapping[str, Any]) -> list[Job]:
    columns = (block[key].tolist() for key in ("index", "content", "views"))
    return [Job(index, content, tuple(map(int, views))) for index, content, views in zip(*columns, strict=True)]


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
