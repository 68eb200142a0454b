"""Lines about the runs of a launcher whose processes say theirs into files: told from the notes that they leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from promptlab.jobs.grid import Grid
from promptlab.jobs.lines import say_failed, say_of_run
from promptlab.jobs.notes import read_note, stamp

LOOK_SECONDS = 0.5


@contextmanager
def told_of(folder: Path, grid: Grid, numbers: Sequence[int], *, as_json: bool) -> Iterator[None]:
    """Say how each of some runs ends, as soon as it has, while they are launched inside.

    Args:
        folder: the sweep's.
        grid: what is in it.
        numbers: of the runs.
        as_json: whether lines go to the error stream.
    """
    before = {number: stamp(folder, number) for number in numbers}
    over = threading.Event()

    def tell() -> None:
        for number in [number for number in before if stamp(folder, number) != before[number]]:
            del before[number]
            _say(folder, grid, number, as_json=as_json)

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            tell()

    watcher = threading.Thread(target=watch, name="tell of the sweep's runs", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        tell()


def _say(folder: Path, grid: Grid, number: int, *, as_json: bool) -> None:
    note = read_note(folder, number) or {}
    if "error" in note:
        say_failed(grid, number, note["overrides"], note["error"], as_json=as_json)
    elif "folder" in note:
        found = "" if note.get("fresh") else "finished already (force=true repeats it): "
        say_of_run(grid, number, note["overrides"], f"{found}{note['folder']}", as_json=as_json)
