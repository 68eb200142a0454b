"""Tables in YAML: how a recipe says what its paper ties to a protocol, a dataset or a number of shots.

=================================================  =====================================================
``${by:KEY,{a: 1, b: 2, else: 3}}``                the entry of a table, e.g. by ``${protocol.name}``
``${up_to:NUMBER,{1: 50, 4: 100, else: 200}}``     the entry of the smallest limit that isn't exceeded
``${unless:SIBLING,VALUE}``                        the value, or null where somebody set the key SIBLING
``${smaller:A,B}``                                 the smaller number
``${times:A,B}``                                   the product, or null where one is a word such as ``all``
``${gpus:}``                                       how many GPUs this machine has, for launchers
``${cache:}``                                      the cache folder, for processes that don't inherit its setting
=================================================  =====================================================

They nest, work inside SHIP's ``inner``, and in a plug-in's own YAML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import OmegaConf

from promptlab.support.machine import gpu_count
from promptlab.support.paths import cache_dir

_REST = "else"


def register() -> None:
    """Make the resolvers known to OmegaConf; safe to repeat."""
    resolvers: dict[str, Callable[..., Any]] = {
        "by": by, "up_to": up_to, "unless": unless, "smaller": smaller, "times": times, "gpus": gpu_count,
        "cache": lambda: str(cache_dir()),
    }  # fmt: skip
    for name, resolver in resolvers.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def by(key: Any, table: Mapping[Any, Any]) -> Any:
    """The entry of a table for a key, compared as text.

    Raises:
        KeyError: if there is neither the key nor ``else``.

    Example:
        >>> by("few_shot", {"few_shot": 16, "else": 4}), by("cross_dataset", {"few_shot": 16, "else": 4})
        (16, 4)
    """
    entries = {str(name): value for name, value in table.items()}
    if str(key) not in entries and _REST not in entries:
        raise KeyError(f"the table has no entry for {key}: it has {', '.join(entries)}")
    return entries.get(str(key), entries.get(_REST))


def up_to(number: Any, table: Mapping[Any, Any]) -> Any:
    """The entry of the smallest limit that a number doesn't exceed; ``else`` for larger ones and for words.

    Example:
        >>> [up_to(shots, {1: 50, 4: 100, "else": 200}) for shots in (1, 2, 16, "all")]
        [50, 100, 200, 200]
    """
    limits = sorted((int(limit), value) for limit, value in table.items() if limit != _REST)
    if isinstance(number, int):
        for limit, value in limits:
            if number <= limit:
                return value
    return by(_REST, table)


def unless(sibling: str, value: Any, *, _parent_: Any = None) -> Any:
    """The value, or None where somebody set another key of the same node, which then decides.

    The other key is looked at, not resolved: it may refer to this one in turn.

    Args:
        sibling: the other key.
        value: the recipe's.
        _parent_: the node; OmegaConf gives it.
    """
    node = None if _parent_ is None else _parent_._get_node(sibling, validate_access=False)
    unset = node is None or node._is_interpolation() or node._is_missing() or node._is_none()
    return value if unset else None


def smaller(first: float, second: float) -> float:
    """The smaller of two numbers.

    Example:
        >>> smaller(9, 4)
        4
    """
    return min(first, second)


def times(first: Any, second: Any) -> Any:
    """The product of two numbers, or None where one of them is a word such as ``all``, which a table then names.

    Example:
        >>> times(16, 500), times("all", 500)
        (8000, None)
    """
    return None if isinstance(first, str) or isinstance(second, str) else first * second
