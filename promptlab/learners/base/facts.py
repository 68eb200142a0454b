"""What a run has to know of a learner before it is built, and of one around another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from promptlab.clip.frozen import FeatureKind


@dataclass(frozen=True, kw_only=True)
class LearnerFacts:
    """Facts that follow from a learner's class, and of a learner around another from both classes.

    Args:
        needs: what ``forward`` gets.
        reads: which features of an image it gets.
        normalised: whether those are L2-normalised.
        crop_scale: smallest and largest share of an image in the paper's random views.
        chooser: name of the class that chooses something on the validation images, None if nothing does.
        uses_new_names: whether training uses the names of classes without images.
        uses_unlabelled: whether training uses images without labels.

    Example:
        >>> from promptlab.learners import SHIP, TipAdapter
        >>> SHIP.facts(TipAdapter.facts()).chooser
        'TipAdapter'
    """

    needs: Literal["features", "images"]
    crop_scale: tuple[float, float]
    chooser: str | None
    uses_new_names: bool
    uses_unlabelled: bool
    reads: FeatureKind = "projected"
    normalised: bool = True

    @classmethod
    def of(cls, kind: Any) -> LearnerFacts:
        """What a learner's class says of itself."""
        return cls(
            needs=kind.needs,
            reads=kind.reads,
            normalised=kind.normalised,
            crop_scale=kind.crop_scale,
            chooser=kind.__name__ if kind.searches else None,
            uses_new_names=kind.uses_new_names,
            uses_unlabelled=kind.uses_unlabelled,
        )
