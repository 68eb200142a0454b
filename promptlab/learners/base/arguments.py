"""The arguments that a learner was made with, so that it can be made again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self


class RemembersArguments:
    """Notes the constructor's arguments of every object, without its class doing anything for it."""

    arguments: Mapping[str, Any]
    """What the constructor got by name, besides the backbone and the class names."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An object that knows its arguments; a copy, made without any, takes over those of its original."""
        made = super().__new__(cls)
        if args or kwargs:
            given = inspect.signature(cls).bind_partial(*args, **kwargs).arguments
            made.__dict__["arguments"] = {k: v for k, v in given.items() if k not in ("clip", "class_names")}
        return made
