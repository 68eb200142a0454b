"""The grid of a command line: every run that its values make together, with the settings of each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from promptlab.config.check import check
from promptlab.config.compose import composed_all
from promptlab.config.keys import without_untaken
from promptlab.config.overrides import choices_of, varying
from promptlab.config.quoting import as_typed
from promptlab.config.same import settings_key
from promptlab.config.settings import ConfigError
from promptlab.jobs.alike import kind_of
from promptlab.jobs.grid import Grid, Planned
from promptlab.results.provenance import utc_now
from promptlab.support.at_work import own_sign
from promptlab.support.version import __version__

_MISSING = object()


def plan(
    command: Sequence[str],
    flags: Sequence[str],
    overrides: Sequence[str],
    optional: Sequence[str],
    folders: Sequence[Path],
    results: str,
) -> Grid:
    """The grid of a sweep.

    Args:
        command: the command line as it was given, without ``promptlab``.
        flags: of it, which a run alone needs as well.
        overrides: of it, as Hydra takes them.
        optional: keys that a run leaves out where its choices don't take them.
        folders: configuration folders besides promptlab's own.
        results: where Results go.

    Raises:
        ConfigError: if one of the runs can't be composed; one whose choices don't fit each other will fail by itself.
    """
    own = [word for word in overrides if not _is_hydras(word)]
    given = any(word.startswith("hydra/sweeper") for word in overrides)
    runs = [] if given else [list(words) for words in itertools.product(*choices_of(own))]
    composed_runs = list(composed_all(runs, folders))
    documents = [_document(without_untaken(cfg, optional), folders) for cfg in composed_runs]
    planned = tuple(
        Planned(
            overrides=tuple(words),
            shown=tuple(shown_of(words, cfg, optional, folders)),
            key="" if document is None else settings_key(document),
            kind=None if document is None else kind_of(document),
        )
        for words, cfg, document in zip(runs, composed_runs, documents, strict=True)
    )
    return Grid(
        promptlab=__version__,
        created=utc_now(),
        started_by=own_sign(),
        folder=os.getcwd(),
        command=tuple(command),
        flags=tuple(flags),
        varies=tuple(varying(own)),
        optional=tuple(optional),
        results=str(Path(results).absolute()),
        force=any(document["force"] for document in documents if document is not None),
        runs=None if given else planned,
    )


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


def _document(cfg: DictConfig, folders: Sequence[Path]) -> dict[str, Any] | None:
    """A run's settings, None where they can't be."""
    try:
        return check(cfg, folders).as_document()
    except ConfigError:
        return None


def _is_left_out(key: str, cfg: DictConfig, optional: Sequence[str]) -> bool:
    return key in optional and OmegaConf.select(cfg, key, default=_MISSING) is _MISSING


def _is_hydras(word: str) -> bool:
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))
