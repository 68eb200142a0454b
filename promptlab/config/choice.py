"""A class or function chosen by name, with its arguments: what a configuration's ``_target_`` becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from promptlab.config.names import usual_name
from promptlab.support.signatures import path_of

_INNER_NAME = re.compile(r"\$\{\.(\w+)\.name\}")
"""How a learner's YAML puts the name of one inside into its own."""


@dataclass(frozen=True)
class Choice:
    """A class or function and the arguments to call it with, chosen by a configuration or in Python.

    Args:
        kind: the class or function.
        arguments: by name; choices among them are made first, in lists and mappings too.
        name: what folders and tables call it; of the kind's own name if empty.
        target: the import path that a configuration names it by; the kind's own if empty.
        as_factory: among the arguments of another choice: hand over something to call instead of what it makes.

    Example:
        >>> from promptlab.learners import CoOp, Optim
        >>> Choice(CoOp, {"n_ctx": 4, "optim": Choice(Optim, {"epochs": 2})}).label
        'coop'
    """

    kind: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    target: str = ""
    as_factory: bool = False

    @property
    def label(self) -> str:
        """What folders and tables call it: its name, else the one that promptlab's own configuration gives it."""
        return self.name or _INNER_NAME.sub(self._name_inside, usual_name(self.kind))

    @property
    def path(self) -> str:
        """The import path of the kind."""
        return self.target or path_of(self.kind)

    def _name_inside(self, found: re.Match[str]) -> str:
        inner = as_choice(self.arguments.get(found[1]))
        return "" if inner is None else inner.label

    def factory(self) -> Callable[..., Any]:
        """Something to call with what the choice leaves open."""
        return partial(self.kind, **{key: _made(value) for key, value in self.arguments.items()})

    def make(self, *given: Any, **also: Any) -> Any:
        """What the kind makes of the arguments, and of what is given besides."""
        return self.factory()(*given, **also)

    def changed(self, **arguments: Any) -> Choice:
        """The same with some arguments changed."""
        return replace(self, arguments={**self.arguments, **arguments})

    def as_node(self) -> dict[str, Any]:
        """As a configuration names it: ``_target_``, the arguments, and a name where that is none of them."""
        named = {"name": self.name} if self.name else {}
        node = {"_target_": self.path, **({"_partial_": True} if self.as_factory else {})}
        return {**named, **node, **{key: _as_node(value) for key, value in self.arguments.items()}}


def as_choice(value: Any) -> Choice | None:
    """The choice that a value is, or that a class or a ``functools.partial`` of one means; None for anything else."""
    if isinstance(value, Choice):
        return value
    if isinstance(value, partial):
        return Choice(value.func, value.keywords, as_factory=True)
    return Choice(value, as_factory=True) if isinstance(value, type) else None


def _made(value: Any) -> Any:
    """A value with the choices in it made."""
    if isinstance(value, Choice):
        return value.factory() if value.as_factory else value.make()
    if isinstance(value, Mapping):
        return {key: _made(item) for key, item in value.items()}
    return [_made(item) for item in value] if isinstance(value, list) else value


def _as_node(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_node(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_node(item) for item in value]
    choice = as_choice(value)
    if choice is not None:
        return choice.as_node()
    return str(value) if isinstance(value, Path) else value
