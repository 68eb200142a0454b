"""The one process-wide cache: backbones, datasets and the feature bank, kept between the runs of a sweep.

What was made of files is made anew once one of them has changed.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.choice import Choice
from promptlab.data.items import Dataset
from promptlab.features.bank import FeatureBank
from promptlab.support import reads
from promptlab.support.files import sweep_leftovers
from promptlab.support.paths import cache_dir
from promptlab.support.typed_json import PlainError, to_plain

BACKBONES, DATASETS = 2, 16
"""How many are kept; the one used longest ago goes first."""


class _Kept:
    """What choices made, the last few of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[tuple[Any, str], tuple[Any, dict[str, reads.State]]] = OrderedDict()

    def of(self, choice: Choice) -> Any:
        """What a choice makes, once while its files stay as they are; each time anew if its arguments aren't plain."""
        try:
            key = choice.kind, json.dumps([os.getcwd(), to_plain(choice.as_node())], sort_keys=True)
        except PlainError:
            return choice.make()
        if key not in self._made or not reads.unchanged(self._made[key][1]):
            self._made.pop(key, None)
            with reads.recorded() as files:
                made = choice.make()
            self._made[key] = made, files
        self._made.move_to_end(key)
        while len(self._made) > self._most:
            self._made.popitem(last=False)
        return self._made[key][0]


_backbones, _datasets = _Kept(BACKBONES), _Kept(DATASETS)


def backbone(choice: Choice) -> FrozenCLIP:
    """The backbone of a choice, loaded once."""
    clip: FrozenCLIP = _backbones.of(choice)
    return clip


def dataset(choice: Choice) -> Dataset:
    """The dataset of a choice, opened once."""
    opened: Dataset = _datasets.of(choice)
    return opened


def feature_bank() -> FeatureBank:
    """The feature bank of the current cache folder."""
    return _bank(str(cache_dir()))


@lru_cache(1)
def _bank(folder: str) -> FeatureBank:
    for place in (Path(folder), Path(folder, "zero_shot")):
        sweep_leftovers(place)
    return FeatureBank()
