"""The Results below a folder and what is at work there, found by the settings that they are of; without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from promptlab.config.same import settings_key
from promptlab.jobs.alike import Kind, kind_of
from promptlab.results.document import Result
from promptlab.results.store import RESULT_NAME, SIGN_NAME
from promptlab.support.at_work import is_alive, read_sign
from promptlab.support.json_texts import read_json_text

_OTHERS = ("sweeps", "predictions")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A Result, as far as a sweep's status needs it."""

    folder: Path
    kind: Kind
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies below a folder of Results.

    Args:
        finished: settings' key to the Result that has them.
        by_folder: a run's folder to the Result in it.
        damaged: a run's folder to what is wrong with the Result in it.
        at_work: settings' key to the sign of a process that works on them.
        broken_off: the same of processes that were killed or interrupted.
    """

    finished: dict[str, Finished] = field(default_factory=dict)
    by_folder: dict[Path, Finished] = field(default_factory=dict)
    damaged: dict[Path, str] = field(default_factory=dict)
    at_work: dict[str, Path] = field(default_factory=dict)
    broken_off: dict[str, Path] = field(default_factory=dict)


class Finder:
    """Looks through a folder, again and again: what has not changed isn't read twice.

    Args:
        root: a folder of Results.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._read: dict[Path, tuple[int, tuple[str, Finished] | str]] = {}

    def covers(self, folder: Path) -> bool:
        """Whether a folder lies below the one that is looked through."""
        return folder.is_relative_to(self.root)

    def know(self, results: Iterable[Result]) -> None:
        """Take over Results that were read already, whose files aren't read again unless they change."""
        for result in results:
            if result.folder is not None and self.covers(result.folder.absolute()):
                path = result.folder.absolute() / RESULT_NAME
                with suppress(OSError):
                    self._read[path] = path.stat().st_mtime_ns, _finished(path, result.config, asdict(result.seconds))

    def look(self) -> Found:
        """What is there now."""
        found = Found()
        for folder, names in _folders(self.root):
            if RESULT_NAME in names:
                self._note(folder, found)
            if SIGN_NAME in names and (sign := read_sign(folder / SIGN_NAME)) is not None:
                kind = found.at_work if is_alive(folder / SIGN_NAME) else found.broken_off
                kind[sign.about] = folder / SIGN_NAME
        return found

    def _note(self, folder: Path, found: Found) -> None:
        read = self._result(folder / RESULT_NAME)
        if isinstance(read, str):
            found.damaged[folder] = read
            return
        key, finished = read
        found.finished[key] = found.by_folder[folder] = finished

    def _result(self, path: Path) -> tuple[str, Finished] | str:
        """A Result's key and what is needed of it, or what is wrong with it."""
        try:
            changed = path.stat().st_mtime_ns
            if path not in self._read or self._read[path][0] != changed:
                self._read[path] = changed, _light(path)
            return self._read[path][1]
        except OSError as error:
            return f"{path} can't be read ({error})"


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if name not in _OTHERS]
        yield Path(folder), names


def _light(path: Path) -> tuple[str, Finished] | str:
    """A Result without its checks, which the table at the end makes."""
    try:
        document: Mapping[str, Any] = read_json_text(path.read_bytes())
        return _finished(path, document["config"], document["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} can't be read ({error!r})"


def _finished(path: Path, config: Mapping[str, Any], seconds: Mapping[str, Any]) -> tuple[str, Finished] | str:
    try:
        spent = sum(float(seconds[phase]) for phase in ("load", "features", "fit", "evaluate"))
        return settings_key(config), Finished(folder=path.parent, kind=kind_of(config), seconds=spent)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{path} can't be read ({error!r})"
