"""Numbers that a configuration has where texts are meant: a folder called 2024, classes called by their numbers."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from promptlab.config.settings import ConfigError


def as_text(value: Any, hint: Any, where: str) -> Any:
    """A value with whole numbers turned into texts, where its argument takes those and no numbers.

    Keys of mappings count as texts too. Other numbers don't say how they were written, and names aren't numbers.

    Args:
        value: a plain value of a configuration.
        hint: the argument's annotation.
        where: its key, for messages.

    Raises:
        ConfigError: for a number in a list or mapping of texts, or one that isn't whole, with the cure.

    Example:
        >>> as_text(2024, str | None, "dataset.name"), as_text({1: "rose"}, Mapping[str, str], "dataset.class_names")
        ('2024', {'1': 'rose'})
    """
    options = list(_options(hint))
    if isinstance(value, bool | int | float):
        if str not in options or any(isinstance(value, kind) for kind in options if kind in (bool, int, float)):
            return value
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else _refuse(value, where)
    if isinstance(value, Mapping) and "_target_" not in value and _inside(options, Mapping) == (str, str):
        for key, item in value.items():
            _require_text(item, where, f"{{{key}: {_quoted(item)}}}")
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list) and _inside(options, Sequence) == (str,):
        for item in value:
            _require_text(item, where, f"[{','.join(map(_quoted, value))}]")
    return value


def _options(hint: Any) -> Iterator[Any]:
    """The types that an annotation allows."""
    if get_origin(hint) is Annotated:
        yield from _options(get_args(hint)[0])
    elif get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            yield from _options(option)
    else:
        yield hint


def _inside(options: Sequence[Any], kind: type) -> tuple[Any, ...]:
    """What the list or the mapping among these types holds."""
    return next((get_args(option) for option in options if get_origin(option) is kind), ())


def _require_text(item: Any, where: str, cure: str) -> None:
    if isinstance(item, bool | int | float):
        raise ConfigError(f'{where}: {item} is a number, and texts are needed: write {where}="{cure}"')


def _refuse(value: Any, where: str) -> Any:
    raise ConfigError(f"{where}={value} is read as a number: write {where}=\"'{value}'\" for a text")


def _quoted(item: Any) -> str:
    return f"'{item}'"
