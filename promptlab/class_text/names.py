"""Names of classes from a small text file: one per line, or ``key<TAB>name`` (or ``key: name``) to rename some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from promptlab.support.errors import DatasetError
from promptlab.support.files import text_lines
from promptlab.support.words import some_of

ClassNames = Sequence[str] | Mapping[str, str] | str
"""Names in label order, a mapping of some keys to names, or a text file with either."""


def read_class_names(path: str | Path) -> list[str] | dict[str, str]:
    """The names in a text file; a mapping if every line has a tab, or every line ``: ``. Blank lines don't count.

    Raises:
        DatasetError: if it can't be read, holds no names, or gives a key twice.
    """
    try:
        lines = text_lines(Path(path).expanduser())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"class names can't be read: {path} ({error}). A text file is needed.") from error
    if not lines:
        raise DatasetError(f"class names: {path} is empty; one name per line is needed")
    for separator in ("\t", ": "):
        if all(separator in line for line in lines):
            pairs = [[part.strip() for part in line.split(separator, 1)] for line in lines]
            keys = [key for key, _ in pairs]
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise DatasetError(f"class names: {path} names these more than once: {some_of(twice)}")
            return {key: name for key, name in pairs}
    return lines


def names_for(keys: Sequence[str], given: ClassNames | None) -> tuple[str, ...]:
    """Names for prompts, in the order of ``keys``; the keys themselves where nothing else is given.

    Args:
        keys: C keys in label order, e.g. names of folders.
        given: C names in that order, or names of some of the keys, or a text file with either.

    Raises:
        DatasetError: if there are more or fewer names than keys, or names of other keys.
    """
    if given is None:
        return tuple(keys)
    where = f" ({given})" if isinstance(given, str) else ""
    names = _values(given)
    if isinstance(names, Mapping):
        unknown = [key for key in names if key not in keys]
        if unknown:
            raise DatasetError(
                f"class names{where} are given for what is no class: {some_of(unknown)}; the classes are "
                f"{some_of(list(keys))}"
            )
        return tuple(names.get(key, key) for key in keys)
    if len(names) != len(keys):
        raise DatasetError(
            f"{len(names)} class names{where} are given for {len(keys)} classes, which are in this order: "
            f"{some_of(list(keys))}"
        )
    return tuple(names)


def names_of_numbers(given: ClassNames | None) -> tuple[str, ...]:
    """Names by label, where the labels are numbers.

    Raises:
        DatasetError: if there are none, or a mapping's keys are not 0 to C-1.
    """
    if given is None:
        raise DatasetError("labels are numbers: set dataset.class_names to a text file with their names, one per line")
    names = _values(given)
    if not isinstance(names, Mapping):
        return tuple(names)
    if set(names) != {str(label) for label in range(len(names))}:
        raise DatasetError(f"class names of labels that are numbers need the keys 0 to {len(names) - 1}")
    return tuple(names[str(label)] for label in range(len(names)))


def _values(given: ClassNames) -> list[str] | Mapping[str, str]:
    if isinstance(given, str):
        return read_class_names(given)
    if isinstance(given, Mapping):
        return {str(key): str(name) for key, name in given.items()}
    return [str(name) for name in given]
