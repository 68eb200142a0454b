"""Studies whose numbers are committed: a folder with the commands, the results as a table, and where they were made.

``study.yaml`` in the folder has the fields of :class:`CommittedStudy`; ``runs.csv`` beside it is the table.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from promptlab.results.document import Result
from promptlab.support.errors import UsageError
from promptlab.support.files import write_text_atomic
from promptlab.support.machine import processor
from promptlab.support.typed_json import PlainError, from_plain

STUDY_NAME = "study.yaml"
RUNS_NAME = "runs.csv"


@dataclass(frozen=True, kw_only=True)
class CommittedStudy:
    """What a folder says of the study in it.

    Args:
        question: what it asks.
        commands: command lines of ``promptlab``, without that word, in their order.
        elsewhere: by how much an accuracy, a fraction, may differ on another machine than ``machine``; on that one,
            nothing may.
        figures: names of the report's figures that are kept beside the table.
        costs: whether the table has what learners cost beside what they score.
        date: when the numbers were made.
        machine: where, as :func:`machine_of` says it.
    """

    question: str
    commands: tuple[str, ...]
    elsewhere: float
    figures: tuple[str, ...] = ()
    costs: bool = False
    date: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)

    def words(self, results: Path, more: Sequence[str]) -> list[list[str]]:
        """The arguments of each command, with further words and the folder that results go to."""
        return [[*shlex.split(command), *more, f"results={results}"] for command in self.commands]

    def tolerance(self, machine: Mapping[str, str]) -> float:
        """By how much a fraction may differ from what was made on another machine, or the same."""
        return 0.0 if machine == self.machine else self.elsewhere


def read_study(folder: Path) -> CommittedStudy:
    """The study of a folder.

    Args:
        folder: with a ``study.yaml``.

    Raises:
        UsageError: if there is none, or it doesn't have the fields.
    """
    path = folder / STUDY_NAME
    if not path.is_file():
        raise UsageError(f"{folder} is no study that can be repeated: it has no {STUDY_NAME}{_others(folder)}")
    try:
        return from_plain(CommittedStudy, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, PlainError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error


def write_study(folder: Path, study: CommittedStudy) -> Path:
    """Write what a folder says of its study; returns the file."""
    path, fields = folder / STUDY_NAME, asdict(study)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
    write_text_atomic(path, yaml.safe_dump(plain, sort_keys=False, width=120, allow_unicode=True))
    return path


def machine_of(results: Iterable[Result]) -> dict[str, str]:
    """What decides whether numbers come out to the last digit: this machine's processor, and torch and its threads.

    Args:
        results: that were made on this machine.
    """
    found = list(results)
    return {
        "processor": processor(),
        "torch": _each({run.versions.get("torch", "unknown") for run in found}),
        "threads": _each({str(run.host.torch_threads) for run in found}),
    }


def _each(values: set[str]) -> str:
    return ", ".join(sorted(values))


def _others(folder: Path) -> str:
    """The studies that are there instead, for a message."""
    near = folder if folder.is_dir() else folder.parent
    found = sorted(os.path.relpath(path.parent) for path in near.glob(f"*/{STUDY_NAME}"))
    return f"; there are {', '.join(found)}" if found else ""
