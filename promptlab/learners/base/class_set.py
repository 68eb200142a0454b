"""Moving a learner to other classes: which ones, and what becomes of everything that it holds per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True)
class ClassSet:
    """The classes that a learner is moved to.

    Args:
        names: of the C classes.
        template: the hand-written prompt of their dataset; None where classes are chosen, whose texts stay.
        indices: which of the learner's own classes they are, (C,); None for other names.

    Example:
        >>> ClassSet(("cat", "dog")).indices is None
        True
        >>> ClassSet(("cat",), indices=(1,)).chosen
        True
    """

    names: tuple[str, ...]
    template: str | None = None
    indices: tuple[int, ...] | None = None

    @property
    def chosen(self) -> bool:
        """Whether they are some of the learner's own classes as they were, texts included."""
        return self.template is None


@runtime_checkable
class FollowsClasses(Protocol):
    """A part that is bound to classes and can be bound to others: class prompts, class texts, a learner."""

    def select(self, class_indices: Sequence[int]) -> Any:
        """The part for some of its classes."""
        ...

    def rebind(self, class_names: Sequence[str], template: str) -> Any:
        """The part for other names."""
        ...


def moved(part: Any, classes: ClassSet) -> Any:
    """What a learner holds per class, for other classes.

    Args:
        part: a tensor, parameter, tuple or list with an entry per class along its first axis, or a part that follows
            classes by itself.
        classes: where to.

    Returns:
        The entries of the classes where they are the learner's own; with other names a tensor or tuple stays as it is.
    """
    if isinstance(part, FollowsClasses):
        if classes.template is None:
            return part.select(classes.indices or ())
        return part.rebind(classes.names, classes.template)
    if classes.indices is None or part is None:
        return part
    if isinstance(part, Tensor):
        return _like(part, part[list(classes.indices)])
    return type(part)(part[i] for i in classes.indices)


def with_own_rows(part: Any, rebound: Any, own: Sequence[int | None]) -> Any:
    """A tensor for other names, with the rows of those that are the learner's own classes taken from what it held.

    Args:
        part: what the learner holds, with a row per class of its own.
        rebound: what it became for the other names, with a row for each.
        own: for each of these names its index among the learner's own classes, or None.

    Returns:
        A tensor with the rows in place; anything but a tensor as :func:`moved` left it.
    """
    if not isinstance(part, Tensor):
        return rebound
    known = {place: index for place, index in enumerate(own) if index is not None}
    rows = rebound.detach().clone()
    rows[list(known)] = part.detach()[list(known.values())]
    return _like(part, rows)


def _like(part: Tensor, rows: Tensor) -> Tensor:
    """Rows as a parameter if they were a parameter's."""
    return nn.Parameter(rows.detach(), part.requires_grad) if isinstance(part, nn.Parameter) else rows
