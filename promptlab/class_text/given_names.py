"""Class names as somebody gives them to a learner, checked before anything is made of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

from promptlab.class_text.spelling import spelling
from promptlab.support.words import some_of, suggest

log = logging.getLogger(__name__)


def checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, each a text that isn't empty.

    Raises:
        ValueError: naming what is no name, and what to give instead.

    Example:
        >>> checked_names(["cat", "dog"])
        ('cat', 'dog')
        >>> checked_names("cat")
        Traceback (most recent call last):
        ValueError: class_names='cat' is one text: give a list of names, ['cat']
    """
    if isinstance(class_names, str):
        raise ValueError(f"class_names={class_names!r} is one text: give a list of names, [{class_names!r}]")
    if isinstance(class_names, Set | Mapping):
        raise ValueError(f"class_names is a {type(class_names).__name__}: give a list of names, whose order counts")
    names: tuple[Any, ...] = tuple(class_names)
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise ValueError(f"class name {place} is {name!r}, no text: give {str(name)!r}")
        if not name.strip():
            raise ValueError(f"class name {place} is empty: {name!r}")
    return tuple(map(str, names))  # of numpy's kind, too


def warn_of_repeated(class_names: Sequence[str]) -> None:
    """Name the classes that are called the same in a warning, once in a process for the same names."""
    repeated = tuple(name for name, count in Counter(class_names).items() if count > 1)
    if repeated:
        _say_repeated(repeated)


def indices_of(classes: Sequence[int | str], class_names: Sequence[str]) -> tuple[int, ...]:
    """Which of the classes are meant, by number from 0 or by name, however that is spelled.

    Raises:
        ValueError: for no list, a number or name of no class, a name of several, or a class that is there twice.

    Example:
        >>> indices_of(["Elefant", 0], ["cat", "elefant"])
        (1, 0)
    """
    if isinstance(classes, str) or not hasattr(classes, "__iter__"):
        raise ValueError(f"{classes!r} is one class: give a list, [{classes!r}]")
    indices = tuple(_index_of(which, class_names) for which in classes)
    twice = [class_names[index] for index, count in Counter(indices).items() if count > 1]
    if twice:
        raise ValueError(f"these classes are chosen more than once: {some_of(twice)}")
    return indices


def places_of(names: Sequence[str], class_names: Sequence[str]) -> list[int | None]:
    """For each name which of the classes is called so, however that is spelled; None for none, and for several.

    Example:
        >>> places_of(["Hot_Dog", "owl"], ["cat", "hot dog"])
        [1, None]
    """
    forms = [spelling(name) for name in class_names]
    return [forms.index(form) if forms.count(form) == 1 else None for form in map(spelling, names)]


def _index_of(which: Any, class_names: Sequence[str]) -> int:
    if isinstance(which, str):
        exact = [index for index, name in enumerate(class_names) if name == which]
        alike = exact or [index for index, name in enumerate(class_names) if spelling(name) == spelling(which)]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise ValueError(f"{which!r} is the name of {len(alike)} classes: give their number, {alike[0]}, ...")
        raise ValueError(f"there is no class {which!r}{suggest(which, class_names)}; there are {some_of(class_names)}")
    if isinstance(which, bool) or not hasattr(which, "__index__"):
        raise ValueError(f"{which!r} is no class: give names, or numbers from 0")
    index: int = which.__index__()
    if not 0 <= index < len(class_names):
        raise ValueError(f"there is no class {index}: there are {len(class_names)}, 0 to {len(class_names) - 1}")
    return index


@lru_cache(maxsize=64)
def _say_repeated(names: tuple[str, ...]) -> None:
    log.warning("these class names are there more than once, each time with the same prompt: %s", some_of(names))
