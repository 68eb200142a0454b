"""The grid of a sweep, written down before its first run: what ``status`` and ``sweep resume`` know a sweep by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from promptlab.jobs.alike import Kind
from promptlab.support.at_work import Sign
from promptlab.support.errors import UsageError
from promptlab.support.files import write_text_atomic
from promptlab.support.json_texts import read_json_text
from promptlab.support.typed_json import PlainError, from_plain, render, to_plain

GRID_NAME = "grid.json"


class GridError(UsageError):
    """A grid that isn't there or can't be read; the message names the folder and says what to do."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run of a grid.

    Args:
        overrides: as Hydra takes them.
        shown: the same as they were typed.
        key: what its settings have in common with a Result's, see :func:`promptlab.config.same.settings_key`; empty
            where its choices don't fit each other.
        kind: what its duration follows from, None likewise.
    """

    overrides: tuple[str, ...]
    shown: tuple[str, ...]
    key: str
    kind: Kind | None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A sweep as it was asked for.

    Args:
        promptlab: the version that wrote it.
        created: when, ISO 8601 in UTC.
        started_by: the process that did.
        folder: the working folder, which relative paths of the command start from.
        command: words of the command line, without ``promptlab``.
        flags: those that a run alone needs as well.
        varies: keys with several values.
        optional: keys that a run leaves out where its choices don't take them.
        results: where Results go, as a path from anywhere.
        force: whether finished runs are repeated, so that Results of others don't count.
        runs: by job number; None where another sweeper than promptlab's own makes them up as it goes.
    """

    promptlab: str
    created: str
    started_by: Sign
    folder: str
    command: tuple[str, ...]
    flags: tuple[str, ...]
    varies: tuple[str, ...]
    optional: tuple[str, ...]
    results: str
    force: bool
    runs: tuple[Planned, ...] | None

    @property
    def total(self) -> int | None:
        """How many runs there are, None where that can't be told."""
        return None if self.runs is None else len(self.runs)

    def place_of(self, number: int) -> str:
        """Which run of how many: ``3/45``."""
        return f"{number + 1:3d}" if self.total is None else f"{number + 1:{len(str(self.total))}d}/{self.total}"

    def varying(self, shown: Sequence[str]) -> str:
        """Those of a run's overrides that tell it from the others."""
        return " ".join(word for word in shown if word.partition("=")[0] in self.varies)

    def alone(self, shown: Sequence[str]) -> list[str]:
        """The words of a command that makes one of the runs by itself."""
        return ["promptlab", *self.flags, *shown]


def write_grid(folder: Path, grid: Grid) -> None:
    """Write a grid into a sweep's folder, which is made."""
    write_text_atomic(folder / GRID_NAME, render(to_plain(grid)))


def read_grid(folder: str | Path) -> Grid:
    """The grid of a sweep's folder.

    Raises:
        GridError: if there is none, or it can't be read.
    """
    path = Path(folder, GRID_NAME)
    try:
        return _read(str(path), path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise GridError(f"{folder} is no sweep's folder: there is no {GRID_NAME}") from None
    except (OSError, ValueError, PlainError) as error:
        raise GridError(f"{path} can't be read ({error}): start the sweep again, what is done is found") from error


@lru_cache(4)
def _read(path: str, _changed: int) -> Grid:
    return from_plain(Grid, read_json_text(Path(path).read_bytes()))


def sweeps_in(place: str | Path) -> list[Path]:
    """The sweeps that a folder means: itself, the last one of a folder of Results, or all that lie in it side by side.

    Raises:
        GridError: if there is none.
    """
    folder = Path(place)
    if (folder / GRID_NAME).is_file():
        return [folder]
    of_results = sorted((folder / "sweeps").glob(f"*/{GRID_NAME}"))
    found = [path.parent for path in of_results[-1:] or sorted(folder.glob(f"*/{GRID_NAME}"))]
    if not found:
        raise GridError(f"there is no sweep in {place}: promptlab -m KEY=A,B starts one; promptlab report {place} "
                        "shows what Results there are")  # fmt: skip
    return found
