"""Typed values to and from plain JSON values, with the path of whatever doesn't fit.

A document's dataclasses are its schema: :func:`to_plain` writes them, :func:`from_plain` reads them back and checks
every field against its type hint. Both name the place, e.g. ``evaluations.base.metrics.top1``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

from promptlab.support.errors import PromptlabError
from promptlab.support.words import shown

T = TypeVar("T")
_SCALARS = frozenset({bool, int, float, str, type(None)})
_WRITTEN_AS_THEY_ARE = frozenset({bool, int, type(None)})

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


class PlainError(PromptlabError, ValueError):
    """A value that has no place in a document; the message begins with its path."""


def to_plain(value: object, path: str = "") -> Plain:
    """Turn a value into one that JSON holds exactly: dataclasses and mappings as objects, tuples as lists.

    Args:
        value: None, a bool, int, finite float or str, or dataclasses, mappings with str keys, lists and tuples of them.
        path: where the value stands, for messages.

    Raises:
        PlainError: for NaN and infinities, keys that aren't str, text that is no Unicode, and every other type (paths,
            arrays, sets, ...).
    """
    if type(value) in _WRITTEN_AS_THEY_ARE:
        return cast(Plain, value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PlainError(f"{_at(path)}: {value} is not a finite number")
        return float(value) + 0.0  # -0.0 equals 0.0, so both are written as 0.0
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise PlainError(f"{_at(path)}: {value!a} holds bytes that are no text in UTF-8") from None
        return str(value)
    if isinstance(value, list | tuple):
        if _is_plain(value):
            return list(value)
        return [to_plain(item, f"{path}[{position}]") for position, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name), _join(path, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {_key(key, path): to_plain(item, _join(path, key)) for key, item in value.items()}
    raise PlainError(
        f"{_at(path)}: a {type(value).__name__} can't be written; allowed are None, bool, int, float, str, lists, "
        "tuples, mappings with str keys and dataclasses"
    )


def from_plain(kind: type[T], value: object, path: str = "") -> T:
    """Build a ``kind`` from plain values, checking each against its type hint.

    Args:
        kind: None, bool, int, float, str, Any, a dataclass, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]``,
            ``Mapping[str, X]``, or a union of them. Fields of a dataclass that have a default may be missing.
        value: what JSON gave.
        path: where the value stands, for messages.

    Raises:
        PlainError: for a missing or unknown field, a wrong type, or a value that a dataclass itself refuses.
    """
    return cast(T, _read(kind, value, path))


def render(value: Plain, indent: str = "") -> str:
    """Write plain values as JSON for people: a key per line, lists of scalars on one line. No NaN."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        rows = [f"{deeper}{json.dumps(key)}: {render(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        rows = [deeper + render(item, deeper) for item in value]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()  # bytes of a file's name that are no UTF-8, as \udcXX


def _is_plain(values: Sequence[object]) -> bool:
    """Whether a list is plain already, told at once: ids follow from the names of all classes."""
    kinds = set(map(type, values))
    if kinds == {str}:
        try:
            "".join(cast(Sequence[str], values)).encode("utf-8")
        except UnicodeEncodeError:  # one of them can't be written
            return False
        return True
    return kinds <= _WRITTEN_AS_THEY_ARE


def _read(kind: Any, value: object, path: str) -> object:
    if type(value) in _as_they_are(kind):
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(cast(type, kind), value, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (types.UnionType, typing.Union):
        return _read_union(arguments, value, path)
    if origin is tuple:
        return _read_tuple(arguments, value, path)
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(value, dict), "an object", value, path)
        return {key: _read(arguments[1], item, _join(path, key)) for key, item in cast(dict[str, Any], value).items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong_bool = isinstance(value, bool) and kind is not bool  # bool is an int to Python, not to a reader
    _expect(isinstance(value, kind) and not wrong_bool, f"a {kind.__name__}", value, path)
    return value


@cache
def _as_they_are(kind: Any) -> frozenset[type]:
    """The scalar types whose values are read as a kind without a change."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return frozenset().union(*map(_as_they_are, typing.get_args(kind)))
    return frozenset({kind} & _SCALARS) if isinstance(kind, type) else frozenset()


def _read_union(kinds: tuple[Any, ...], value: object, path: str) -> object:
    """Read the first alternative that fits; where only one isn't None, its own message says more."""
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) == 1:
        return _read(others[0], value, path)
    for kind in others:
        with suppress(PlainError):
            return _read(kind, value, path)
    _expect(False, " or ".join(f"a {kind.__name__}" for kind in others), value, path)
    return None


def _read_tuple(kinds: tuple[Any, ...], value: object, path: str) -> tuple[object, ...]:
    _expect(isinstance(value, list), "a list", value, path)
    items = cast(list[object], value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        exact = _as_they_are(kinds[0])
        if exact.issuperset(map(type, items)):  # a Result has thousands of numbers
            return tuple(items)
        if dataclasses.is_dataclass(kinds[0]):
            return _read_records(cast(type, kinds[0]), items, path)
        kinds = (kinds[0],) * len(items)
    _expect(len(items) == len(kinds), f"a list of {len(kinds)}", value, path)
    return tuple(
        _read(kind, item, f"{path}[{position}]") for position, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _read_records(kind: type, items: Sequence[object], path: str) -> tuple[object, ...]:
    """Dataclasses of one kind: at once where all fields of all are there and need no change, else one by one."""
    if _are_plain_records(kind, items):
        with suppress(ValueError):  # said below, with its place
            return tuple([kind(**item) for item in cast(Sequence[dict[str, Any]], items)])
    return tuple(_read_dataclass(kind, item, f"{path}[{position}]") for position, item in enumerate(items))


def _are_plain_records(kind: type, items: Sequence[object]) -> bool:
    fields = _fields(kind)
    if set(map(type, items)) != {dict}:
        return False
    records = cast(Sequence[dict[str, object]], items)
    return all(item.keys() == fields.keys() for item in records) and all(
        exact.issuperset({type(item[name]) for item in records}) for name, (_, exact, _) in fields.items()
    )


def _read_dataclass(kind: type, value: object, path: str) -> object:
    _expect(isinstance(value, dict), "an object", value, path)
    values = cast(dict[str, object], value)
    fields = _fields(kind)
    if not values.keys() <= fields.keys():
        raise PlainError(f"{_join(path, min(values.keys() - fields.keys()))}: unknown field")
    arguments = dict(values)
    for name, (hint, exact, required) in fields.items():
        if name in values:
            if type(values[name]) not in exact:
                arguments[name] = _read(hint, values[name], _join(path, name))
        elif required:
            raise PlainError(f"{_join(path, name)}: missing")
    try:
        return kind(**arguments)
    except PlainError:
        raise
    except ValueError as error:
        raise PlainError(f"{_at(path)}: {error}") from error


@cache
def _fields(kind: type) -> dict[str, tuple[Any, frozenset[type], bool]]:
    """A dataclass's fields: type hint, types that are read as they are, and whether the field must be there.

    Finding this out takes longer than reading the values.
    """
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return {
        field.name: (
            hints[field.name],
            _as_they_are(hints[field.name]),
            field.default is missing and field.default_factory is missing,
        )
        for field in dataclasses.fields(kind)
    }


def _expect(fits: bool, wanted: str, value: object, path: str) -> None:
    if not fits:
        raise PlainError(f"{_at(path)}: expected {wanted}, got {shown(value)}")


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise PlainError(f"{_at(path)}: keys must be str, got {key!r}")
    return str(key)


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _at(path: str) -> str:
    return path or "the value itself"
