"""From labelled pictures to what is to be learned: features, copies, groups, folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.own.copies import equal_pairs, joined
from promptlab.own.folds import folds_of
from promptlab.own.held_out import Problem, encoded
from promptlab.own.look_alikes import look_alikes
from promptlab.support.arrays import IntArray

VIEWS = 4
"""Random views of each picture: with the plain one, five times the work of encoding."""


@dataclass(frozen=True)
class Posed:
    """A problem, and why its folds are what they are.

    Args:
        problem: what is to be learned.
        groups: (N,) numbers of the pictures that stay together.
        near: pictures with a near-copy that isn't of the same content, and stays with it.
        apart: pairs of near-copies that are in two groups all the same: links of a chain, as pictures of a film are.
    """

    problem: Problem
    groups: IntArray
    near: list[tuple[int, int]]
    apart: list[tuple[int, int]]


def pose(
    clip: FrozenCLIP,
    items: Items,
    class_names: Sequence[str],
    template: str,
    *,
    groups: Sequence[str] = (),
    views: int,
    seed: int,
) -> Posed:
    """Encode pictures, with a bar, and deal them out to folds.

    Args:
        clip: the backbone.
        items: N pictures with labels.
        class_names: names of the C classes.
        template: the hand-written prompt.
        groups: names of N groups that stay together, or none.
        views: random views of each picture.
        seed: of folds and fits.

    Raises:
        DatasetError: if a picture can't be read.
    """
    bank = FeatureBank()
    features = encoded(clip, items, views, bank)
    content = items.content_ids()
    exact = equal_pairs(content)
    copies = look_alikes(items, features.numpy())
    stars = copies.stars(len(items))
    near = [(one, other) for one, other in stars if content[one] != content[other]]
    together = joined(len(items), [*exact, *stars], groups)
    apart = [(one, other) for one, other in copies.pairs.tolist() if together[one] != together[other]]
    folds = folds_of(items.labels, together, seed)
    problem = Problem(clip, items, tuple(class_names), template, folds, views, seed, bank)
    return Posed(problem, together, near, apart)
