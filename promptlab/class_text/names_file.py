"""Names of classes from a small file, in the forms that people have: the one reader for every kind of dataset.

==========================  ==============================================================================
a text file                 a name per line; ``key<TAB>name`` or ``key: name`` on each; ``key name`` where the first
                            words are the keys, as in CoOp's ``classnames.txt``
a table (``.csv, .tsv``)    one column of names, or two, key and name; a line of column names may say which is which
JSON                        a list of names, or an object of key to name
==========================  ==============================================================================

UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from promptlab.support.errors import DatasetError
from promptlab.support.texts import read_text
from promptlab.support.words import some_of

_TABLES = {".csv": ",;\t|", ".tsv": "\t"}
_KEY_COLUMNS = ("key", "folder", "id", "wnid", "label", "index", "number", "class_id", "class_index", "class", "code")
_NAME_COLUMNS = ("name", "class_name", "classname", "label_name", "title", "text", "class", "label")


def read_class_names(path: str | Path, keys: Collection[str] = ()) -> list[str] | dict[str, str]:
    r"""The names in a file: a list, or a mapping where the file says whose name each is. Blank lines don't count.

    Args:
        path: the file.
        keys: of the classes, where they are known: lines may then be ``key name``.

    Raises:
        DatasetError: if it can't be read, is of another encoding, holds no names or what is no name, or gives a key
            twice.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "classnames.txt")
        >>> _ = file.write_text("n01440764 tench\nn01443537 goldfish\n")
        >>> read_class_names(file, keys=["n01443537", "n01440764"])
        {'n01440764': 'tench', 'n01443537': 'goldfish'}
    """
    file = Path(path).expanduser()
    where = f"class names: {path}"
    try:
        text = read_text(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"class names can't be read: {path} ({reason}). A text file with a name per line is needed; names "
            "themselves are given as a list, [cat,dog]."
        ) from error
    if file.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
        return _of_json(text, where)
    if file.suffix.lower() in _TABLES:
        return _of_table(text, _TABLES[file.suffix.lower()], where)
    return _of_lines([line.strip() for line in text.splitlines() if line.strip()], keys, where)


def texts_of(names: Iterable[Any], where: str) -> list[str]:
    """Names without the blanks around them, if they are texts.

    Raises:
        DatasetError: naming one that isn't, or is empty.
    """
    found = []
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise DatasetError(f"{where}: name {place} is {name!r}, no text. Put it in quotes: {str(name)!r}.")
        if not name.strip():
            raise DatasetError(f"{where}: name {place} is empty")
        found.append(str(name).strip())
    return found


def named_by_key(pairs: Iterable[tuple[Any, Any]], where: str) -> dict[str, str]:
    """Pairs of key and name as a mapping; keys may be numbers.

    Raises:
        DatasetError: if a name is no text or is empty, or a key is there twice.
    """
    listed = [(str(key).strip(), name) for key, name in pairs]
    odd = [(key, name) for key, name in listed if not isinstance(name, str)]
    if odd and all(isinstance(name, int) for _, name in odd) and not any(key.isdecimal() for key, _ in listed):
        (key, number) = odd[0]
        raise DatasetError(f"{where}: {key!r} is named {number}: turn it round, {number}: {key}")
    if odd:
        key, name = odd[0]
        raise DatasetError(f"{where}: the name of {key!r} is {name!r}, no text. Put it in quotes: {str(name)!r}.")
    keys = [key for key, _ in listed]
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise DatasetError(f"{where} names these more than once: {some_of(twice)}")
    empty = [key for key, name in listed if not name.strip()]
    if empty:
        raise DatasetError(f"{where}: the name of {some_of(empty)} is empty")
    return {key: name.strip() for key, name in listed}


def keyed_by_first_word(lines: Sequence[str], keys: Collection[str]) -> dict[str, str] | None:
    """Lines ``key name`` as a mapping, if their beginnings hold all the keys; None if not.

    Behind a blank only what has a number in it counts as a key: ``house`` and ``house cat`` may both be names.
    """
    for between, only_ids in ((r"\s*[,;=|:]\s*", False), (r"[.)]?\s+", True)):
        pairs = [re.split(between, line, maxsplit=1) for line in lines]
        found = {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2 and pair[1].strip()}
        numbers = {str(int(first)) for first in found if first.isdecimal()}
        known = all(key in found or (key.isdecimal() and str(int(key)) in numbers) for key in keys)
        if keys and known and len(found) == len(lines) and not (only_ids and any(map(_has_no_digit, keys))):
            return found
    return None


def _has_no_digit(key: str) -> bool:
    return re.search(r"\d", key) is None


def _of_json(text: str, where: str) -> list[str] | dict[str, str]:
    try:
        content = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError as error:
        raise DatasetError(f"{where} is no JSON ({error})") from error
    if not content or not isinstance(content, list):
        raise DatasetError(f"{where} holds no names: a list of names is needed, or an object of key to name")
    return named_by_key(content, where) if isinstance(content, _Pairs) else texts_of(content, where)


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it stands, so that a key given twice is seen."""


def _of_lines(lines: list[str], keys: Collection[str], where: str) -> list[str] | dict[str, str]:
    if not lines:
        raise DatasetError(f"{where} is empty; one name per line is needed")
    tabs = sum("\t" in line for line in lines)
    if tabs == len(lines):
        return _of_rows([line.split("\t") for line in lines], where)
    if tabs:
        bare = next(number for number, line in enumerate(lines, 1) if "\t" not in line)
        raise DatasetError(f"{where}: {tabs} lines are key<TAB>name, but line {bare} has no tab: {lines[bare - 1]!r}")
    if all(": " in line for line in lines):
        return named_by_key((tuple(line.split(": ", 1)) for line in lines), where)  # type: ignore[misc]
    return keyed_by_first_word(lines, keys) or lines


def _of_table(text: str, separators: str, where: str) -> list[str] | dict[str, str]:
    first = text.lstrip().split("\n", 1)[0]
    separator = max(separators, key=first.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=separator)]
    return _of_rows([row for row in rows if any(row)], where)


def _of_rows(rows: list[list[str]], where: str) -> list[str] | dict[str, str]:
    """Rows of one column, or of a key and a name."""
    heads = [cell.strip().lower().replace(" ", "_") for cell in rows[0]] if rows else []
    wide = next((row for row in rows if any(row[len(heads) :])), None)
    if wide is not None:
        raise DatasetError(f"{where}: the row {wide} has more cells than the first: quote what holds a separator")
    name_at = _column(heads, _NAME_COLUMNS)
    key_at = _column(heads, _KEY_COLUMNS, besides=name_at)
    if len(heads) == 1:
        name_at, key_at = (0 if heads[0] in _NAME_COLUMNS[:4] else None), None
        names = [row[0] for row in rows[0 if name_at is None else 1 :]]
        return texts_of(names, where) if names else _nothing(where)
    if name_at is None or key_at is None:
        if len(heads) > 2:
            raise DatasetError(f"{where} has {len(heads)} columns: two are needed, key and name, or a first line that "
                               f"says which they are: key,name")  # fmt: skip
        pairs = rows
        key_at, name_at = 0, 1
    else:
        pairs = rows[1:]
    short = next((row for row in pairs if len(row) <= max(key_at, name_at)), None)
    if short is not None:
        raise DatasetError(f"{where}: the row {short} has no name")
    return named_by_key([(row[key_at], row[name_at]) for row in pairs], where) if pairs else _nothing(where)


def _column(heads: Sequence[str], known: Sequence[str], besides: int | None = None) -> int | None:
    """Which column is called by one of these words, the best word first."""
    return next((heads.index(word) for word in known if word in heads and heads.index(word) != besides), None)


def _nothing(where: str) -> Any:
    raise DatasetError(f"{where} holds no names")
