"""The arguments of a learner: checked against what its constructor declares, and kept so that it can be made again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

from promptlab.support.ranges import refuse_misfits
from promptlab.support.signatures import signature_of

_GIVEN_BY_POSITION = ("clip", "class_names")


class RemembersArguments:
    """Checks and notes the constructor's arguments of every object, without its class doing anything for it.

    A class declares the range of an argument beside it, ``n_ctx: Annotated[int, Ge(1)] = 16``, and what no single range
    can say in :meth:`check_together`. A command line is checked by the same declaration before anything is loaded.
    """

    arguments: Mapping[str, Any]
    """What the constructor got by name, besides the backbone and the class names."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An object that knows its arguments; a copy, made without any, takes over those of its original.

        Raises:
            ValueError: for an argument that is out of its range, or doesn't fit another.
        """
        made = super().__new__(cls)
        if args or kwargs:
            bound = inspect.signature(cls).bind_partial(*args, **kwargs)
            made.__dict__["arguments"] = {k: v for k, v in bound.arguments.items() if k not in _GIVEN_BY_POSITION}
            _refuse_misfits_by_class(cls, made.arguments)
            cls.check_together({**_defaults(cls), **flat(cls, bound.arguments)})
        return made

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that don't fit each other; each fits its own range by then.

        Args:
            arguments: all of the constructor's, defaults included; of a command line without what a run gives.

        Raises:
            ValueError: naming them, and what to do.
        """


def _refuse_misfits_by_class(cls: type, arguments: Mapping[str, Any]) -> None:
    """Check arguments by the class that declares them: what one passes on as ``**kwargs`` is its base's."""
    left = flat(cls, arguments)
    for kind in cls.__mro__:
        if left and "__init__" in vars(kind):
            refuse_misfits(kind, left)
            left = {name: value for name, value in left.items() if name not in signature_of(kind)}


def _defaults(cls: type) -> dict[str, Any]:
    """The defaults of a class's arguments, and of those that it passes on to its bases."""
    kinds = [kind for kind in reversed(cls.__mro__) if "__init__" in vars(kind)]
    return {name: p.default for kind in kinds for name, p in signature_of(kind).items() if p.default is not p.empty}


def flat(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with those in ``**kwargs`` beside the others.

    Args:
        cls: whose constructor's they are.
        arguments: as its signature binds them.

    Example:
        >>> class Method:
        ...     def __init__(self, *, n_ctx=4, **more): ...
        >>> flat(Method, {"n_ctx": 8, "more": {"csc": True}})
        {'n_ctx': 8, 'csc': True}
    """
    parameters = inspect.signature(cls).parameters
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat.update(value if parameters[name].kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return flat
