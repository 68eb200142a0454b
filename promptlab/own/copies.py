"""Which pictures belong together, so that no fold has some on either side: copies, and groups that are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from promptlab.support.arrays import IntArray


def joined(count: int, pairs: Iterable[tuple[int, int]], groups: Sequence[str] = ()) -> IntArray:
    """A number for each picture, the same for those that pairs or equal groups join, also through others.

    Args:
        count: N pictures.
        pairs: positions of pictures that belong together.
        groups: N names of groups, or none.

    Example:
        >>> joined(4, [(0, 2)], ["a", "b", "b", "c"]).tolist()
        [0, 0, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array([*pairs, *equal_pairs(groups)], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    numbers: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def equal_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Each position that has an earlier one's name, behind the first of that name.

    Example:
        >>> equal_pairs(["a", "b", "a", "a"])
        [(0, 2), (0, 3)]
    """
    first: dict[str, int] = {}
    pairs = [(first.setdefault(name, position), position) for position, name in enumerate(names)]
    return [(one, other) for one, other in pairs if one != other]
