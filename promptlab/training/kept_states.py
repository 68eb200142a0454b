"""States of the image tower that were encoded once, read from the bank batch by batch: they are too large to hold."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence

import torch
from torch import Tensor

from promptlab.data.amounts import ImageStates
from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.features.collection import Collection
from promptlab.features.keys import collections_of
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.database import CacheError
from promptlab.support.progress import image_progress
from promptlab.training.rows import FeaturePool

log = logging.getLogger(__name__)
_TOLD = 2**30
"""Bytes from which on it is said how much is going to be kept."""


class StatesPool(FeaturePool):
    """Rows of states of K views of each item.

    Args:
        bank: where they are.
        collections: K, by view.
        contents: (N,) content ids of the items.
        device: where batches go.
    """

    def __init__(
        self, bank: FeatureBank, collections: Sequence[Collection], contents: Sequence[str], device: torch.device
    ) -> None:
        self._bank, self._collections, self._contents, self.device = bank, collections, contents, device
        self._random, self._views = len(collections), ()

    def __len__(self) -> int:
        return len(self._contents)

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """The rows of states (B, S) of items (B,) by their views (B,).

        Raises:
            CacheError: if somebody took them from the cache meanwhile.
        """
        taken = torch.empty(len(rows), self._collections[0].dim)
        for view in sorted(set(views.tolist())):
            here = (views == view).nonzero()[:, 0]
            contents = list(dict.fromkeys(self._contents[row] for row in rows[here].tolist()))
            read, present = self._bank.store.read(self._collections[view], contents)
            if not present.all():
                raise CacheError(f"states of images were taken from {self._bank.path} while a fit read them: start the "
                                 "run again, it goes on where it was")  # fmt: skip
            place = {content: i for i, content in enumerate(contents)}
            taken[here] = torch.from_numpy(read)[[place[self._contents[row]] for row in rows[here].tolist()]]
        return taken.to(self.device)


def kept_states(
    learner: PromptLearner, kind: ImageStates, items: Items, bank: FeatureBank, views: int,
    crop_scale: tuple[float, float],
) -> StatesPool:  # fmt: skip
    """Encode what the bank lacks of the items' states, saying beforehand how large it is.

    Raises:
        CacheError: if the disk hasn't room for them.
        DatasetError: if images can't be read.
    """
    clip, contents = learner.clip, items.content_ids()
    collections = collections_of(clip, views, crop_scale, kind)
    missing = int(bank.lacking(collections, list(dict.fromkeys(contents))).sum())
    size, free = missing * collections[0].dim * collections[0].dtype.itemsize, _free(bank)
    what = f"the states of {missing:,} views before layer {kind.layer + 1}, {size / 2**30:.2g} GiB in {kind.precision}"
    if size > free:
        raise CacheError(f"{what}, are to be kept in {bank.path}, and {free / 2**30:.2g} GiB are free there: "
                         "give fewer views, keep_states=fp16, views=online, or a larger PROMPTLAB_CACHE")  # fmt: skip
    if size >= _TOLD:
        log.warning("%s, are going to be kept in %s", what, bank.path)
    if missing:
        with image_progress(f"keeping states of {clip.name}, {size / 2**20:,.0f} MiB", missing, show=True) as advance:
            bank.fill(clip, items, views=views, crop_scale=crop_scale, kind=kind, advance=advance)
    return StatesPool(bank, collections, contents, clip.device)


def _free(bank: FeatureBank) -> int:
    """Bytes that are free where the bank is, which may not have been made yet."""
    folder = next(parent for parent in bank.path.absolute().parents if parent.exists())
    return shutil.disk_usage(folder).free
