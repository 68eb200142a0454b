"""Image features, each distinct image encoded once per backbone, transform and view, whatever lists it appears in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptlab.data.amounts import COOP_SCALE, Count, FeatureKind, ImageKind, KeptViews, Scale
from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows
from promptlab.features.collection import Collection
from promptlab.features.datasets import note_dataset
from promptlab.features.encode import ImageEncoder, Unreadable, encode_jobs, feature_width
from promptlab.features.gathering import Rows, Work, Writer
from promptlab.features.shards import find_rows, shards_dir, warn_of_shared_disk
from promptlab.features.shares import Shares
from promptlab.features.store import FeatureStore
from promptlab.support.arrays import BoolArray, FloatArray
from promptlab.support.errors import DatasetError
from promptlab.support.progress import image_progress
from promptlab.support.ranges import checked
from promptlab.support.words import counted

log = logging.getLogger(__name__)

BATCH_SIZE = 64
"""Pictures per batch: the bits of features depend on it."""
_CHUNK_IMAGES, _CHUNK_BYTES = 4096, 2**28


class FeatureBank:
    """Features of images, kept in a database that all runs and processes of this machine share.

    Args:
        path: the database file; ``cache_dir()/features.sqlite`` if None.

    Example:
        >>> import tempfile
        >>> import promptlab
        >>> folder = tempfile.TemporaryDirectory()
        >>> bank = FeatureBank(Path(folder.name, "features.sqlite"))
        >>> clip, items = promptlab.load_clip("demo"), promptlab.demo_dataset("demo_textures").train.take([0, 1])
        >>> bank.features(clip, items, batch_size=2).shape
        torch.Size([2, 128])
    """

    def __init__(self, path: Path | None = None) -> None:
        self.store = FeatureStore(path)
        warn_of_shared_disk(self.store.path.parent)

    @property
    def path(self) -> Path:
        """The database file."""
        return self.store.path

    @checked()
    def features(
        self,
        clip: ImageEncoder,
        items: Items,
        *,
        views: KeptViews = 0,
        crop_scale: Scale = COOP_SCALE,
        kind: FeatureKind = "projected",
        normalised: bool = True,
        batch_size: Count = BATCH_SIZE,
        progress: bool = True,
    ) -> Tensor:
        """Features of items, in their order; what the bank has not seen is encoded first, and kept.

        A killed call resumes where it stood. Items of a user's own features return those, whatever ``views`` says.

        Args:
            clip: the backbone.
            items: N items; the same image may appear more than once.
            views: 0 for the evaluation transform, K for K random training views.
            crop_scale: smallest and largest share of the area that a random view cuts; unused if ``views`` is 0.
            kind: ``pre_projection`` for what the image tower multiplies by its last matrix.
            normalised: False for features of the length that the tower gives them. Rows that an earlier version kept
                without it are encoded once more, and stay what they are.
            batch_size: pictures per batch; part of what makes features bit-equal on one machine.
            progress: whether to show a bar while encoding.

        Returns:
            (N, D) float32 if ``views`` is 0, else (N, K, D); V in the place of D before the projection.

        Raises:
            DatasetError: if images are missing or can't be read, those are named; or if a user's own features aren't
                of the kind or have lost their lengths.
            ValueError: if an argument is out of range, or the backbone has no image transform.
            CacheError: if the database can't be used.
        """
        if isinstance(items.source, FeatureRows):
            if kind != "projected":
                raise DatasetError(f"{items.source.name} holds features of the joint space, and {kind} is wanted: give "
                                   "images")  # fmt: skip
            rows = items.source.take(items.indices, dim=clip.dim, normalised=normalised)  # (N, D)
            return rows if views == 0 else rows[:, None].expand(-1, views, -1)
        work = Work.of(clip, items, views, crop_scale, kind, normalised, batch_size)
        content_ids, contents = work.content_ids, work.contents
        distinct = self._gather_or_encode(work, contents, progress)  # (U, max(K, 1), D)
        gathered = distinct
        if len(contents) < len(content_ids):
            row_of = {content: row for row, content in enumerate(contents)}
            gathered = distinct[[row_of[content] for content in content_ids]]
        tensor = torch.from_numpy(gathered)  # (N, max(K, 1), D)
        return tensor if views else tensor[:, 0]

    def note(self, dataset: str, items: Items) -> None:
        """Note whose images these are, for ``promptlab cache list``; of a user's own features nothing is kept.

        Args:
            dataset: name of the dataset.
            items: some of its images.
        """
        if not isinstance(items.source, FeatureRows) and len(items):
            note_dataset(self.store, dataset, items.content_ids())

    def lacking(
        self, collections: Sequence[Collection], contents: Sequence[str], *, normalised: bool = True
    ) -> BoolArray:
        """Which features would have to be encoded.

        Args:
            collections: V of one backbone and transform, by view.
            contents: (U,) content ids, all different.
            normalised: False where the features' lengths are wanted, too.

        Returns:
            (U, V), True for what is neither in the database nor in shards.
        """
        most = _at_once(collections[0].dim, len(collections))
        found = [
            self._read(collections, contents[start : start + most], normalised).present
            for start in range(0, len(contents), most)
        ]
        return ~np.concatenate([np.zeros((0, len(collections)), np.bool_), *found])

    def fill(
        self,
        clip: ImageEncoder,
        items: Items,
        *,
        views: KeptViews = 0,
        crop_scale: Scale = COOP_SCALE,
        kind: ImageKind = "projected",
        normalised: bool = True,
        batch_size: Count = BATCH_SIZE,
        advance: Callable[[int], object] = lambda done: None,
    ) -> None:
        """Encode and keep what :meth:`features` would, in as little memory for many images as for few.

        Args:
            clip: as for :meth:`features`, and likewise the others.
            items: N items.
            views: K, or 0.
            crop_scale: of random views.
            kind: of features; states of the image tower are kept by this alone, and read batch by batch.
            normalised: whether lengths don't matter.
            batch_size: pictures per batch.
            advance: told how many features were encoded, or found, of those that were not there.

        Raises:
            DatasetError: if images are missing or can't be read; those are named.
        """
        most = _at_once(feature_width(clip, kind), max(views, 1))
        for start in range(0, len(items), most):
            part = items.take(range(start, min(start + most, len(items))))
            work = Work.of(clip, part, views, crop_scale, kind, normalised, batch_size)
            rows = self._read(work.collections, work.contents, normalised)
            if not rows.present.all():
                self._encode(work, work.contents, rows, advance)

    def _gather_or_encode(self, work: Work, contents: Sequence[str], progress: bool) -> FloatArray:
        rows = self._read(work.collections, contents, work.normalised)
        if not rows.present.all():
            missing = int((~rows.present).any(axis=1).sum()) * len(work.collections)
            with image_progress(f"encoding with {work.clip.name}", missing, progress) as advance:
                self._encode(work, contents, rows, advance)
        self.store.touch(work.collections)
        return rows.features if rows.norms is None else rows.features * rows.norms[..., None]

    def _read(self, collections: Sequence[Collection], contents: Sequence[str], normalised: bool) -> Rows:
        """What the database has, and of the rest what shards have."""
        features, whole = self.store.read_all(collections, contents)  # (U, V, D), (U, V)
        if normalised:
            rows = Rows(features, whole, whole.copy())
        else:
            norms = self.store.read_norms(collections, contents)  # (U, V)
            rows = Rows(features, whole, whole & ~np.isnan(norms), norms)
        for found in find_rows(shards_dir(), collections, contents, ~rows.present):
            rows.take_found(found)
        return rows

    def _encode(self, work: Work, contents: Sequence[str], rows: Rows, advance: Callable[[int], object]) -> None:
        """Fill in the rows that are missing, piece by piece, and keep them; what another process has done is read.

        Rows are taken as they are made, not read back: whoever clears the cache meanwhile takes nothing from them.
        """
        unreadable = Unreadable()
        writer = Writer(self.store, work.collections)
        shares = Shares(self.path, work.collections, contents, work.batch_size)
        left = np.flatnonzero(~rows.present.all(axis=1))
        pictures = len(left) * len(work.collections)
        log.info("encoding up to %d pictures with %s", pictures, work.clip.name)
        without = int((rows.whole & ~rows.present).sum())
        if without:
            log.warning("%s kept without a length by an earlier version: encoded once more for it",
                        counted(without, "feature was", "features were"))  # fmt: skip
        while len(left):
            with shares.piece(left) as piece:
                own = [contents[place] for place in piece.tolist()]
                advance(rows.take(piece, self._read(work.collections, own, work.normalised)))
                jobs = work.jobs(own, rows.present[piece])
                for encoded in encode_jobs(
                    work.clip, work.items.source, jobs, work.transform, unreadable,
                    batch_size=work.batch_size, kind=work.kind,
                ):  # fmt: skip
                    writer.add(encoded, rows.add(dict(zip(own, piece.tolist(), strict=True)), encoded))
                    advance(len(encoded))
                writer.flush()
            left = np.setdiff1d(left, piece, assume_unique=True)
        unreadable.refuse()


def _at_once(width: int, views: int) -> int:
    """Images whose rows, of all views, are held together."""
    return max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // (4 * width * views)))
