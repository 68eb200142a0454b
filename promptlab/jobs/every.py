"""All settings that a command line with several values means, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from promptlab.config.check import check
from promptlab.config.compose import composed, resolved
from promptlab.config.keys import check_keys
from promptlab.config.overrides import lists_of, opened, without_null
from promptlab.config.quoting import readable
from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import Settings, refuse_values
from promptlab.jobs.missing import require_datasets


def every_settings(words: Sequence[str], folders: Sequence[Path] = ()) -> list[Settings]:
    """The settings of each combination of values, checked, with datasets that are there.

    Args:
        words: overrides; values with commas are gone through as in a sweep.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
        DatasetError: if datasets aren't there, with the commands that get them.

    Example:
        >>> every = every_settings(["dataset=demo_shapes,demo_textures", "views=4"])
        >>> [(settings.dataset.arguments["name"], settings.views) for settings in every]
        [('demo_shapes', 4), ('demo_textures', 4)]
    """
    overrides = [readable(opened(word), folders, sweeps=True) for word in without_null(words)]
    columns = [[values[0] for values in lists_of([word], sweeps=True)] for word in overrides]
    every = []
    for choice in product(*columns):
        cfg = composed(choice, folders)
        nodes: Any = OmegaConf.to_container(cfg)
        check_keys(nodes, folders)
        refuse_values({key: value for key, value in resolved(cfg).items() if key not in OPEN_GROUPS})
        every.append(check(cfg, folders))
    require_datasets(every)
    return every
