"""Filling the feature bank beforehand: every image and view that runs with some settings may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.choice import Choice
from promptlab.config.settings import Settings
from promptlab.data.amounts import COOP_SCALE, FeatureKind
from promptlab.data.items import SPLITS, Dataset, Items
from promptlab.data.sources.features import FeatureRows
from promptlab.features.actors import Part, Plan, jobs_of
from promptlab.features.bank import BATCH_SIZE, FeatureBank
from promptlab.features.collection import Collection
from promptlab.features.encode import Job
from promptlab.features.keys import collections_of
from promptlab.features.on_ray import Cluster, encode_on_ray
from promptlab.features.shards import mark
from promptlab.features.transforms import require_preprocess, training_transform
from promptlab.runs import session
from promptlab.runs.parts import open_targets
from promptlab.support.arrays import BoolArray
from promptlab.support.signatures import signature_of


@dataclass(frozen=True)
class Want:
    """Features of one list of images, which a run with some settings may ask for.

    Args:
        dataset: whose images.
        split: which of its lists.
        items: those.
        views: K random views of each, or 0 for the evaluation transform.
        crop_scale: of random views.
        kind: which features the learner reads.
        normalised: whether it reads them L2-normalised.
        backbone: loads it.
    """

    dataset: str
    split: str
    items: Items
    views: int
    crop_scale: tuple[float, float]
    kind: FeatureKind
    normalised: bool
    backbone: Choice

    @property
    def clip(self) -> FrozenCLIP:
        """The backbone, loaded once in a process."""
        return session.backbone(self.backbone)

    @cached_property
    def contents(self) -> list[str]:
        """(U,) content ids, each once, in the order of the items."""
        return list(dict.fromkeys(self.items.content_ids()))

    def collections(self, device: str | None = None) -> tuple[Collection, ...]:
        """Where the features belong, if such a device encodes them; the backbone's own if None."""
        return collections_of(self.clip, self.views, self.crop_scale, self.kind, device)

    def only(self, wanted: BoolArray) -> Items:
        """One item of each content of which something is wanted; ``wanted`` is (U, V)."""
        first = dict[str, int]()
        for place, content in enumerate(self.items.content_ids()):
            first.setdefault(content, place)
        return self.items.take([first[self.contents[row]] for row in np.flatnonzero(wanted.any(axis=1)).tolist()])


@dataclass(frozen=True)
class Lacking:
    """What of a want isn't kept yet: ``missing`` is (U, V)."""

    want: Want
    missing: BoolArray


def wants_of(every: Sequence[Settings], splits: Sequence[str] = SPLITS) -> list[Want]:
    """What runs with these settings may ask for, each once.

    That are K views of all training images where the learner reads features, and the evaluation transform of all
    splits, also of the protocol's other datasets. A dataset of a user's own features needs nothing.

    Args:
        every: the settings of one run, or of several.
        splits: which lists of images.

    Raises:
        DatasetError: if a dataset can't be opened.
    """
    found: dict[tuple[object, ...], Want] = {}
    for settings in every:
        for want in _wants_of(settings, splits):
            key = (want.dataset, want.split, want.views, want.crop_scale, want.kind, want.normalised,
                   want.clip.fingerprint, id(want.items.source))  # fmt: skip
            found.setdefault(key, want)
    return list(found.values())


def look_up(bank: FeatureBank, wants: Sequence[Want], device: str | None = None) -> list[Lacking]:
    """What isn't kept yet; of images that several lists hold, the first list's alone.

    Args:
        bank: where features are.
        wants: what may be asked for.
        device: the kind of device that will encode; each backbone's own if None.
    """
    counted = dict[tuple[str, str, str], int]()
    lacking = []
    for want in wants:
        collections = want.collections(device)
        missing = bank.lacking(collections, want.contents, normalised=want.normalised)
        keys = [(collections[0].backbone, collections[0].transform, content) for content in want.contents]
        before = np.array([counted.get(key, 0) for key in keys], dtype=np.int64)  # (U,) views
        missing &= np.arange(len(collections)) >= before[:, None]
        counted.update((key, max(views, len(collections))) for key, views in zip(keys, before.tolist(), strict=True))
        lacking.append(Lacking(want, missing))
    return lacking


def fill(bank: FeatureBank, lacking: Sequence[Lacking], advance: Callable[[int], object]) -> int:
    """Encode what is missing into this machine's bank, and keep it.

    Args:
        bank: where features go.
        lacking: what is missing.
        advance: told of features as they are there.

    Returns:
        How many are there that were missing.

    Raises:
        DatasetError: if images can't be read; those of one list are named together, and the others kept.
    """
    for lack in lacking:
        want = lack.want
        bank.note(want.dataset, want.items)
        bank.fill(
            want.clip, want.only(lack.missing), views=want.views, crop_scale=want.crop_scale, kind=want.kind,
            normalised=want.normalised, advance=advance,
        )  # fmt: skip
    return sum(int(lack.missing.sum()) for lack in lacking)


def fill_on_ray(
    root: Path, lacking: Sequence[Lacking], cluster: Cluster, actors: int | None, advance: Callable[[int], object]
) -> int:
    """Encode what is missing into shards, on actors that each hold the backbone.

    Args:
        root: the folder of all shards, which every machine of the cluster sees.
        lacking: what is missing, looked up for the cluster's device.
        cluster: what Ray has.
        actors: how many, None for as many as have room.
        advance: told of features as they are there.

    Returns:
        How many were encoded: what others have encoded meanwhile isn't encoded again.

    Raises:
        UsageError: if there is no room for so many actors.
        DatasetError: if images can't be read; those are named, and the others kept.
        ActorError: if actors can't do it.
    """
    threads = torch.get_num_threads()
    count, encoded = cluster.actors(actors, threads), 0
    mark(root)
    for fingerprint in dict.fromkeys(lack.want.clip.fingerprint for lack in lacking):
        own = [lack for lack in lacking if lack.want.clip.fingerprint == fingerprint and lack.missing.any()]
        if own:
            load = _on_device(own[0].want.backbone, cluster.device).make
            parts = tuple(_part(lack.want, cluster.device) for lack in own)
            plan = Plan(load, fingerprint, parts, root, BATCH_SIZE, threads)
            jobs = [_jobs(lack) for lack in own]
            encoded += encode_on_ray(plan, jobs, count, gpus=cluster.gpus > 0, advance=advance)
    return encoded


def _on_device(backbone: Choice, device: str) -> Choice:
    return backbone.changed(device=device) if "device" in signature_of(backbone.kind) else backbone


def _part(want: Want, device: str) -> Part:
    clip = want.clip
    transform = training_transform(clip, want.crop_scale) if want.views else require_preprocess(clip)
    return Part(want.items.source, transform, want.collections(device), want.kind)


def _jobs(lack: Lacking) -> list[Job]:
    index_of = dict(zip(reversed(lack.want.items.content_ids()), lack.want.items.indices[::-1].tolist(), strict=True))
    return jobs_of([(index_of[content], content) for content in lack.want.contents], lack.missing)


def _wants_of(settings: Settings, splits: Sequence[str]) -> Iterator[Want]:
    dataset, learner = session.dataset(settings.dataset), settings.learner_facts

    def want(of: Dataset, split: str, views: int) -> Want:
        return Want(
            of.name,
            split,
            getattr(of, split),
            views,
            settings.view_scale if views else COOP_SCALE,
            learner.reads,
            learner.normalised,
            settings.backbone,
        )

    whole = [(dataset, split) for split in splits]
    if "test" in splits:
        whole += [(target, "test") for target in open_targets(settings)]
    images = [(of, split) for of, split in whole if len(getattr(of, split)) and not _is_given(getattr(of, split))]
    views = settings.views if learner.needs == "features" and settings.views != "online" else 0
    if views and (dataset, "train") in images:
        yield want(dataset, "train", views)
    for of, split in images:
        yield want(of, split, 0)


def _is_given(items: Items) -> bool:
    return isinstance(items.source, FeatureRows)
