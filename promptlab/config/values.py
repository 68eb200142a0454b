"""Whether a plain value of a configuration can be an argument of a type."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def hints_of(target: Any) -> dict[str, Any]:
    """The annotations of a callable's arguments; none where they can't be resolved, its own checks then decide."""
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # whatever a plug-in's annotations name
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be an argument of this type; True where that can't be told."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is Literal:
        return value in arguments
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if value is None:
        return False
    wanted = origin or hint
    if isinstance(value, str | int | float | bool) and inspect.isclass(wanted):
        return isinstance(value, wanted) or (isinstance(value, str) and issubclass(wanted, Path))
    return True


def describe(hint: Any) -> str:
    """A type in words, for messages."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(option) for option in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in arguments)
    return "null" if hint is type(None) else getattr(hint, "__name__", str(hint))
