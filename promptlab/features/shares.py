"""How processes that need features of the same images share the encoding: each image is encoded by one of them.

Images fall into 64 buckets by their content. Whoever encodes images of a bucket holds its lock file; others take other
buckets meanwhile, and find the rows when they come to it. The system lets go of the locks of a process that is killed.
"""

from __future__ import annotations

import logging
import os
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from promptlab.features.collection import Collection
from promptlab.support.arrays import IntArray
from promptlab.support.locks import taking

log = logging.getLogger(__name__)

_BUCKETS = 64
_PIECE_BATCHES = 8
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0


class Shares:
    """The pieces of one call's images.

    Args:
        database: the bank's file; the locks lie beside it, in ``NAME.encoding``.
        collections: V of one backbone and transform.
        contents: (U,) content ids, all different.
        batch_size: pieces are whole numbers of batches, as far as there are images.
    """

    def __init__(
        self, database: Path, collections: Sequence[Collection], contents: Sequence[str], batch_size: int
    ) -> None:
        own = zlib.crc32(f"{collections[0].backbone} {collections[0].transform}".encode())
        folder = database.with_name(f"{database.name}.encoding")
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"{own:08x}-{bucket:02d}" for bucket in range(_BUCKETS)]
        self._order = random.Random(os.getpid()).sample(range(_BUCKETS), _BUCKETS)  # each process begins elsewhere
        self._bucket = np.array([zlib.crc32(content.encode()) % _BUCKETS for content in contents], dtype=np.int64)
        self._batch, self._most = batch_size, batch_size * max(1, _PIECE_BATCHES // len(collections))

    @contextmanager
    def piece(self, left: IntArray) -> Iterator[IntArray]:
        """Some of the images that are left, which are this process's alone while the block runs.

        Waits where other processes have all of them in work.

        Args:
            left: positions among the contents, at least one.
        """
        buckets = self._bucket[left]
        by_path = {self._paths[bucket]: left[buckets == bucket] for bucket in np.unique(buckets).tolist()}
        wanted = [self._paths[bucket] for bucket in self._order if self._paths[bucket] in by_path]
        waiting_since, said = time.monotonic(), False
        while True:
            with taking(wanted, lambda held: sum(len(by_path[path]) for path in held) >= self._most) as held:
                if held:
                    yield self._whole_batches(np.concatenate([by_path[path] for path in held]), len(left))
                    return
            if not said and time.monotonic() - waiting_since > _PATIENCE_SECONDS:
                log.warning("waiting for another process that encodes the same images")
                said = True
            time.sleep(_POLL_SECONDS)

    def _whole_batches(self, places: IntArray, left: int) -> IntArray:
        """At most a piece; a rest that would fill no batch waits for company, if there will be any."""
        places = np.sort(places)[: self._most]
        whole = len(places) - len(places) % self._batch
        return places[:whole] if whole and len(places) < left else places
