"""The grid of a command line: every run that its values make together, with the settings of each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from promptlab.config.check import check
from promptlab.config.compose import composed_all
from promptlab.config.keys import without_untaken
from promptlab.config.overrides import choices_of, parsed_overrides, varying
from promptlab.config.quoting import as_typed
from promptlab.config.same import settings_key
from promptlab.config.settings import ConfigError
from promptlab.jobs.alike import kind_of
from promptlab.jobs.grid import Grid, Planned, write_grid
from promptlab.results.provenance import utc_now
from promptlab.support.at_work import own_sign
from promptlab.support.version import __version__

_MISSING = object()


def begin(
    command: Sequence[str],
    flags: Sequence[str],
    overrides: Sequence[str],
    optional: Sequence[str],
    folders: Sequence[Path],
    results: str,
    made: dict[tuple[str, ...], DictConfig],
) -> Path:
    """Write the grid of a new sweep down, in a folder that is named by the time unless ``hydra.sweep.dir`` is given.

    Args:
        command: the command line as it was given, without ``promptlab``.
        flags: of it.
        overrides: of it, as Hydra takes them.
        optional: keys that a run leaves out where its choices don't take them.
        folders: configuration folders besides promptlab's own.
        results: where Results go.
        made: what :func:`composed_all` has put together for the folders.

    Returns:
        The sweep's folder.

    Raises:
        ConfigError: if one of the runs can't be composed; one whose choices don't fit each other will fail by itself.
    """
    own = [word for word in overrides if not _is_hydras(word)]
    made_up = any(word.startswith("hydra/sweeper") for word in overrides)
    grid = Grid(
        promptlab=__version__,
        created=utc_now(),
        started_by=own_sign(),
        folder=os.getcwd(),
        command=tuple(command),
        flags=tuple(_of_plugins(flags)),
        varies=tuple(varying(own)),
        optional=tuple(optional),
        results=str(Path(results).absolute()),
        force=_given("force", own) is True,
        runs=None if made_up else tuple(_planned(own, optional, folders, made)),
    )
    own_place = Path(results, "sweeps", f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}")
    folder = Path(str(_given("hydra.sweep.dir", overrides) or own_place))
    write_grid(folder, grid)
    return folder


def _planned(
    own: Sequence[str], optional: Sequence[str], folders: Sequence[Path], made: dict[tuple[str, ...], DictConfig]
) -> Iterator[Planned]:
    """Every run that the values make together."""
    runs = [list(words) for words in itertools.product(*choices_of(own))]
    for words, cfg in zip(runs, composed_all(runs, folders, made), strict=True):
        shown = tuple(shown_of(words, cfg, optional, folders))
        try:
            document = check(without_untaken(cfg, optional), folders).as_document()
        except ConfigError:  # said when it is its turn
            yield Planned(overrides=tuple(words), shown=shown, key="", kind=None)
        else:
            yield Planned(overrides=tuple(words), shown=shown, key=settings_key(document), kind=kind_of(document))


def _given(key: str, overrides: Sequence[str]) -> Any:
    """The last value that a key is given, None where it isn't."""
    return next((word.value() for word in reversed(parsed_overrides(overrides)) if word.key_or_group == key), None)


def shown_of(words: Sequence[str], cfg: DictConfig, optional: Sequence[str], folders: Sequence[Path] = ()) -> list[str]:
    """A run's overrides as they are typed, without those that its choices don't take.

    Args:
        words: as Hydra takes them.
        cfg: what they compose.
        optional: keys that some choices of the sweep don't take.
        folders: configuration folders besides promptlab's own.
    """
    taken, shown = without_untaken(cfg, optional), [as_typed(word.lstrip("+"), folders) for word in words]
    return [word for word in shown if not _is_left_out(word.partition("=")[0], taken, optional)]


def _of_plugins(flags: Sequence[str]) -> list[str]:
    """Those flags that a run alone needs as well: folders of configurations."""
    pairs = [word for name, value in pairwise(flags) if name in ("--config-dir", "-cd") for word in (name, value)]
    return [*pairs, *(flag for flag in flags if flag.startswith("--config-dir="))]


def _is_left_out(key: str, cfg: DictConfig, optional: Sequence[str]) -> bool:
    return key in optional and OmegaConf.select(cfg, key, default=_MISSING) is _MISSING


def _is_hydras(word: str) -> bool:
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))
