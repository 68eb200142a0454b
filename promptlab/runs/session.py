"""The one process-wide cache: backbones, datasets and the feature bank, kept between the runs of a sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.build import factory
from promptlab.data.items import Dataset
from promptlab.features.bank import FeatureBank
from promptlab.support.paths import cache_dir

BACKBONES, DATASETS = 2, 16
"""How many are kept; the one used longest ago goes first."""


def backbone(node: Mapping[str, Any]) -> FrozenCLIP:
    """The backbone of a configuration node, loaded once."""
    return _backbone(json.dumps(node, sort_keys=True))


def dataset(node: Mapping[str, Any]) -> Dataset:
    """The dataset of a configuration node, opened once."""
    return _dataset(json.dumps(node, sort_keys=True))


def feature_bank() -> FeatureBank:
    """The feature bank of the current cache folder."""
    return _bank(str(cache_dir()))


@lru_cache(BACKBONES)
def _backbone(node: str) -> FrozenCLIP:
    clip: FrozenCLIP = factory(json.loads(node), "backbone")()
    return clip


@lru_cache(DATASETS)
def _dataset(node: str) -> Dataset:
    opened: Dataset = factory(json.loads(node), "dataset")()
    return opened


@lru_cache(1)
def _bank(folder: str) -> FeatureBank:
    return FeatureBank()
