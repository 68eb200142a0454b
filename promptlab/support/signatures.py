"""What a callable takes, which of some offered arguments to give it, and where it is imported from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any


def signature_of(target: Any) -> dict[str, inspect.Parameter]:
    """The named parameters of a class or function."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {name: p for name, p in inspect.signature(target).parameters.items() if p.kind not in kinds}


def accepted(target: Any, offers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered arguments that a target takes; of a partial, not those that it has a value for."""
    given = target.keywords if isinstance(target, partial) else {}
    parameters = signature_of(target)
    return {name: value for name, value in offers.items() if name in parameters and given.get(name) is None}


def path_of(kind: Any) -> str:
    """The import path of a class or function; for promptlab's own the one of the room that offers it."""
    room = ".".join(kind.__module__.split(".")[:2])
    offered = getattr(import_module(room), kind.__qualname__, None) if room.startswith("promptlab.") else None
    return f"{room if offered is kind else kind.__module__}.{kind.__qualname__}"
