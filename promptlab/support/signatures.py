"""What a callable takes, and which of some offered arguments to give it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
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
