"""What an argument may be, declared once beside it and checked wherever its value comes from.

The annotation is the declaration, in the words of `annotated-types`: ``Annotated[int, Interval(ge=1, le=100)]``, with
``doc("...")`` where a sentence says more than the range. Every number is finite without saying so.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types as at

from promptlab.support.signatures import signature_of
from promptlab.support.words import shown

_SCALARS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@cache
def hints_of(target: Callable[..., Any]) -> Mapping[str, Any]:
    """The annotations of a callable's arguments; none where they can't be resolved, its own checks then decide."""
    try:
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except Exception:  # whatever a plug-in's annotations name
        return {}
    return {name: hint for name, hint in hints.items() if name != "return"}


def refuse_misfits(target: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Check values, by argument, against what a class or function declares; its own defaults always fit.

    Args:
        target: whose annotations are the declaration.
        values: by name of the argument.

    Raises:
        ValueError: naming the first value that doesn't fit, and what is needed.

    Example:
        >>> def train(epochs: Annotated[int, at.Ge(1)] = 5): ...
        >>> refuse_misfits(train, {"epochs": 0})
        Traceback (most recent call last):
        ValueError: train(epochs=0): a whole number from 1 is needed
    """
    parameters, hints = signature_of(target), hints_of(target)
    for name, value in values.items():
        declared = name in parameters and name in hints and value is not parameters[name].default
        if declared and not fits(value, hints[name]):
            needed = describe(hints[name], nothing="None")
            raise ValueError(f"{getattr(target, '__name__', target)}({name}={shown(value)}): {needed} is needed")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value can be an argument of this type and range; True where that can't be told.

    Example:
        >>> fits(2.5, Annotated[float, at.Interval(ge=0, le=1)] | None), fits(float("nan"), float), fits([1], list[int])
        (False, False, True)
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, object):
        return True
    if origin is Annotated:
        return fits(value, arguments[0]) and all(_satisfies(value, rule) for rule in _rules(hint))
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in arguments)
    if hint is type(None):
        return value is None
    if hint in _SCALARS:
        return _is_scalar(value, hint)
    if value is None:
        return False
    if isinstance(value, list | tuple):
        return _is_list(value, origin or hint, arguments)
    if isinstance(value, Mapping):
        return _is_mapping(value, origin or hint, arguments)
    wanted = origin or hint
    if isinstance(value, str | int | float | bool) and inspect.isclass(wanted):
        is_list = issubclass(list, wanted)  # where a list is wanted, a text is a slip, not a list of its letters
        return (isinstance(value, wanted) and not is_list) or (isinstance(value, str) and issubclass(wanted, Path))
    return True


def is_path(value: str | Path) -> bool:
    r"""Whether a text can be the path of a file or folder.

    Example:
        >>> is_path("my data"), is_path(""), is_path("a\0b")
        (True, False, False)
    """
    return bool(str(value).strip()) and "\0" not in str(value)


def describe(hint: Any, nothing: str = "null") -> str:
    """A type and its range in words, for messages.

    Args:
        hint: an annotation.
        nothing: the word for None.

    Example:
        >>> describe(Annotated[float, at.Interval(ge=0, lt=1)] | None), describe(Literal["end", "front"])
        ('a number from 0 and below 1 or null', 'one of end, front')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [rule.documentation for rule in _rules(hint) if isinstance(rule, at.DocInfo)]
        return said[0] if said else " ".join([describe(arguments[0], nothing), *_limits(hint)])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(option, nothing) for option in arguments)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(str, arguments))
    if origin is not None and inspect.isclass(origin) and issubclass(origin, Sequence):
        inside = dict.fromkeys(describe(kind, nothing) for kind in arguments if kind is not Ellipsis)
        return f"a list of {' and '.join(inside)}"
    if origin is not None and inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"a mapping of {' to '.join(describe(kind, nothing) for kind in arguments)}"
    return nothing if hint is type(None) else _SCALARS.get(hint, getattr(hint, "__name__", str(hint)))


def _rules(hint: Any) -> Iterator[Any]:
    """What an annotation says besides its type, intervals taken apart."""
    for rule in hint.__metadata__:
        if isinstance(rule, at.GroupedMetadata):
            yield from rule
        else:
            yield rule


def _satisfies(value: Any, rule: Any) -> bool:
    match rule:
        case at.Ge(limit):
            return bool(value >= limit)
        case at.Gt(limit):
            return bool(value > limit)
        case at.Le(limit):
            return bool(value <= limit)
        case at.Lt(limit):
            return bool(value < limit)
        case at.MinLen(limit):
            return len(value) >= limit
        case at.MaxLen(limit):
            return len(value) <= limit
        case at.Predicate(function):
            return bool(function(value))
    return True  # a note for people, or another library's


def _limits(hint: Any) -> Iterator[str]:
    """The range in words, lower end first, as its author wrote it."""
    above = ""
    for rule in _rules(hint):
        match rule:
            case at.Ge(limit):
                above = f"from {_number(limit)}"
                yield above
            case at.Gt(limit):
                above = f"above {_number(limit)}"
                yield above
            case at.Le(limit):
                yield f"{'to' if above.startswith('from') else 'and up to' if above else 'up to'} {_number(limit)}"
            case at.Lt(limit):
                yield f"{'and ' if above else ''}below {_number(limit)}"


def _number(limit: Any) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def _is_scalar(value: Any, hint: Any) -> bool:
    if hint in (str, bool):
        return isinstance(value, hint)
    if isinstance(value, bool) or not isinstance(value, Integral if hint is int else Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _is_list(value: Sequence[Any], wanted: Any, kinds: tuple[Any, ...]) -> bool:
    if not inspect.isclass(wanted):
        return True
    if not issubclass(list, wanted) and wanted is not tuple:
        return False
    if wanted is tuple and kinds and kinds[-1] is not Ellipsis:
        return len(value) == len(kinds) and all(map(fits, value, kinds))
    return not kinds or all(fits(item, kinds[0]) for item in value)


def _is_mapping(value: Mapping[Any, Any], wanted: Any, kinds: tuple[Any, ...]) -> bool:
    if not inspect.isclass(wanted):
        return True
    if not issubclass(wanted, Mapping):
        return False
    return len(kinds) != 2 or all(fits(key, kinds[0]) and fits(item, kinds[1]) for key, item in value.items())
