"""Where results live: ``<root>/<dataset>/<protocol>/<learner>/<fit_id>/result.json``."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from promptlab.results.document import Result, ResultError
from promptlab.results.rows import rows_of
from promptlab.support.at_work import at_work, wait_for_others
from promptlab.support.files import write_text_atomic
from promptlab.support.garbage import no_garbage_sought
from promptlab.support.locks import lock_file
from promptlab.support.pointers import refuse_pointer
from promptlab.support.version import __version__

RESULT_NAME = "result.json"
UNFINISHED_NAME = "unfinished.json"
"""A Result of a run that is still scoring: its fit is done, evaluations are missing. Nothing but the run reads it."""
ERROR_NAME = "error.txt"
"""What the last attempt at a run failed with, removed by one that doesn't."""
RESUME_NAME = "resume.ckpt"
"""State of an interrupted fit; private to the run, deleted when what was learned is written."""
SIGN_NAME = ".at_work"
"""The sign of a process that works on the run, see :mod:`promptlab.support.at_work`."""
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_logger = logging.getLogger(__name__)


def safe_name(name: str) -> str:
    """The name itself, if it can be part of a path on every system.

    Raises:
        ValueError: if it is empty, starts with a dot or dash, or holds more than letters, digits and ``_ . + -``.

    Example:
        >>> safe_name("ship-tip_adapter_f")
        'ship-tip_adapter_f'
    """
    if not _SAFE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't be part of a path; allowed are letters, digits, and _ . + - inside")
    return name


def run_dir(root: str | Path, dataset: str, protocol: str, learner: str, fit_id: str) -> Path:
    """The folder of one fit; it isn't created.

    Raises:
        ValueError: as :func:`safe_name`.

    Example:
        >>> run_dir("results", "eurosat", "few_shot", "coop", "0123456789abcdef").as_posix()
        'results/eurosat/few_shot/coop/0123456789abcdef'
    """
    return Path(root, *(safe_name(part) for part in (dataset, protocol, learner, fit_id)))


@contextmanager
def lock(directory: Path, *, about: str = "", wait: bool = True) -> Iterator[None]:
    """Hold a run's folder; the system lets go of it when a process ends, and a sign tells who holds it.

    Args:
        directory: made if missing.
        about: what the run is, for the sign.
        wait: wait for another process that holds it; otherwise it is refused.

    Raises:
        HeldError: if another process holds it and ``wait`` is false.
    """
    sign = directory / SIGN_NAME
    with lock_file(directory / ".lock", wait=wait):
        wait_for_others(sign, wait=wait)  # a lock may not reach another machine
        with at_work(sign, about):
            yield


@contextmanager
def failure_kept(directory: Path) -> Iterator[None]:
    """Leave an error and its traceback in a run's folder, and take away an earlier one's where there is none.

    Args:
        directory: the run's folder.
    """
    note = directory / ERROR_NAME
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # the disk may be what failed
            write_text_atomic(note, f"promptlab {__version__}\n{''.join(traceback.format_exception(error))}")
        raise
    note.unlink(missing_ok=True)


def write_result(directory: str | Path, result: Result, name: str = RESULT_NAME) -> Path:
    """Write ``result.json`` into a run's folder, creating it; a reader sees the old document or the new one.

    Args:
        directory: the run's folder.
        result: what to write.
        name: of the file.

    Returns:
        The path of the file.

    Raises:
        ResultError: if a value can't be written; an older file stays as it was.
    """
    path = Path(directory) / name
    write_text_atomic(path, result.to_json())
    return path


def read_result(path: str | Path) -> Result:
    """Read one ``result.json``.

    Raises:
        NewerResultError: if it is of a newer schema.
        ResultError: if it is missing or damaged, or holds what can't be, naming file and field.
    """
    refuse_pointer(path, ResultError)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path}: can't be read ({error})") from error
    return Result.from_json(text, source=str(path)).found_in(Path(path).parent)


def find_results(root: str | Path) -> list[Path]:
    """Every ``result.json`` below ``root``, sorted; none where there is no such folder."""
    return sorted(Path(root).rglob(RESULT_NAME))


class Results(list[Result]):
    """Results in a list, with rows for ``pandas.DataFrame``; each knows the folder that it was read from.

    Example:
        >>> load_results("a/folder/without/results").rows()
        []
    """

    def rows(self) -> list[dict[str, Any]]:
        """A row of plain values per evaluation of every result; see :func:`promptlab.results.rows.rows_of`."""
        return [row for result in self for row in rows_of(result)]

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self) or "no results"


def load_results(root: str | Path) -> Results:
    """Every readable result below ``root``, in the order of :func:`find_results`.

    ``pandas.DataFrame(load_results("results").rows())`` is a table of them, ``result.folder`` where one lies.

    Documents that are damaged, can't be, or are of a newer schema are left out, each with a warning that names it. A
    folder that isn't there, or has no results, is a warning too.

    Example:
        >>> [result.learner for result in load_results("a/folder/without/results")]
        []
    """
    results, paths = Results(), find_results(root)
    if not paths:
        there = f"are no results in {root}" if Path(root).is_dir() else f"is no folder {root}"
        _logger.warning("there %s", there)
    with no_garbage_sought():
        for path in paths:
            try:
                results.append(read_result(path))
            except ResultError as error:
                _logger.warning("left out: %s", error)
    return results
