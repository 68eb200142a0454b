"""What promptlab's configuration calls a class: a run from Python finds the one that a command line made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from promptlab.support.deprecation import current_path
from promptlab.support.paths import conf_dir
from promptlab.support.signatures import path_of


def usual_name(kind: Callable[..., Any]) -> str:
    """The ``name`` in the YAML that names this class or function, else its own name in small letters.

    Example:
        >>> from promptlab.learners import LinearProbe
        >>> usual_name(LinearProbe)
        'linear_probe'
    """
    own = str(getattr(kind, "__name__", "")).lower()
    return _names().get(path_of(kind), own) if own.isidentifier() else own


@cache
def _names() -> dict[str, str]:
    """Import path to name, of learners and protocols."""
    found: dict[str, str] = {}
    for group in ("learner", "protocol"):
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            node = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            if "_target_" in node and "name" in node:
                found.setdefault(current_path(node["_target_"]), node["name"])
    return found
