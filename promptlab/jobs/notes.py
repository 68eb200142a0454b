"""What the runs of a sweep leave in its folder, by job number: a note once they have ended, a sign while they work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlab.support.at_work import is_alive, own_sign
from promptlab.support.files import write_text_atomic
from promptlab.support.json_texts import read_json_text

_FOLDER = "runs"


def notes_folder(sweep: Path) -> Path:
    """Where they lie."""
    return sweep / _FOLDER


def sign_path(sweep: Path, number: int) -> Path:
    """The sign of a run at work."""
    return sweep / _FOLDER / f"{number}.at_work"


def parent_sign(sweep: Path) -> Path:
    """The sign of this process, where it goes through the sweep's runs."""
    sign = own_sign()
    return sweep / f"{sign.machine}-{sign.process}.at_work"


def forget_dead(sweep: Path) -> None:
    """Take away the signs of processes that went through the sweep's runs and were killed."""
    for path in sweep.glob("*.at_work"):
        if not is_alive(path):
            path.unlink(missing_ok=True)


def parents(sweep: Path) -> int:
    """How many processes go through the sweep's runs now."""
    return sum(map(is_alive, sweep.glob("*.at_work")))


def write_note(sweep: Path, number: int, note: Mapping[str, Any]) -> None:
    """Note how a run ended: its ``folder``, or its ``error`` and ``traceback``."""
    write_text_atomic(sweep / _FOLDER / f"{number}.json", json.dumps(note, indent=1))


def read_note(sweep: Path, number: int) -> dict[str, Any] | None:
    """How a run ended; None where it has not, or its note can't be read."""
    try:
        note: dict[str, Any] = read_json_text((sweep / _FOLDER / f"{number}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return note


def noted(sweep: Path) -> list[int]:
    """Numbers of the runs that have ended."""
    return sorted(int(path.stem) for path in (sweep / _FOLDER).glob("*.json") if path.stem.isdigit())


def stamp(sweep: Path, number: int) -> int:
    """What changes whenever a run is noted; 0 where it has not been."""
    try:
        status = (sweep / _FOLDER / f"{number}.json").stat()
    except OSError:
        return 0
    return hash((status.st_ino, status.st_mtime_ns))
