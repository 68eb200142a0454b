"""The results of folders, with where each lies, and what is there that can't be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab.report.undone import UndoneSweep
from promptlab.results.document import Result, ResultError
from promptlab.results.store import ERROR_NAME, UNFINISHED_NAME, find_results, read_result

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What was found below some folders.

    Args:
        results: every readable result, in the order of the folders and their paths.
        folders: fit id to the folder of its run, the newest result's where there are several.
        damaged: path of a result that can't be read to what is wrong with it.
        unfinished: folders of runs that are trained, and not scored to the end.
        failed: folder of a run that left an error in place of a result to the last line of it.
        sweeps: those that have runs without a result.
    """

    results: list[Result]
    folders: Mapping[str, Path]
    damaged: Mapping[Path, str]
    unfinished: list[Path]
    failed: Mapping[Path, str]
    sweeps: Sequence[UndoneSweep] = ()


def collect(roots: Iterable[str | Path]) -> Collection:
    """Read every result below the folders, each once, however often a folder is named.

    What can't be read is skipped, with a warning that names it.

    Example:
        >>> collect(["a/folder/without/results"]).results
        []
    """
    paths: dict[Path, Path] = {}
    unfinished: dict[Path, Path] = {}
    failed: dict[Path, Path] = {}
    for root in roots:
        paths |= {path.resolve(): path for path in find_results(root)}
        unfinished |= _folders(root, UNFINISHED_NAME)
        failed |= _folders(root, ERROR_NAME)
    found: list[tuple[Result, Path]] = []
    damaged = {}
    for path in paths.values():
        try:
            found.append((read_result(path), path.parent))
        except ResultError as error:
            damaged[path] = str(error).removeprefix(f"{path}: ")
            _logger.warning("skipped a result that can't be read: %s", error)
    newest = sorted(found, key=lambda pair: pair[0].created)
    return Collection(
        results=[result for result, _ in found],
        folders={result.fit_id: folder for result, folder in newest},
        damaged=damaged,
        unfinished=list(unfinished.values()),
        failed={folder: _last_line(folder / ERROR_NAME) for folder in failed.values()},
    )


def _folders(root: str | Path, name: str) -> dict[Path, Path]:
    """Every folder that holds such a file, by the file's one true path."""
    return {path.resolve(): path.parent for path in sorted(Path(root).rglob(name))}


def _last_line(path: Path) -> str:
    """What a traceback ends with."""
    return path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
