"""What of a Result says how well known images are told from unknown ones. All are fractions in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score tells known images from unknown ones.

    Args:
        auroc: share of all pairs of a known and an unknown image in which the known one scores higher, ties by half.
        aupr_in: average precision with known images as what is looked for.
        aupr_out: the same with unknown images as what is looked for, by the negative score.
        fpr95: share of the unknown images that are taken for known where at least 95 % of the known ones are.
    """

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float


@dataclass(frozen=True, kw_only=True)
class UnknownResult:
    """Known images against those of one kind of unknowns.

    Args:
        kind: ``near``, other classes of the same dataset, or ``far``, another dataset.
        dataset: name of the dataset that the unknown images come from.
        items_digest: of the unknown images.
        images: how many there are.
        learner: the learner's, None where it can't score the known classes.
        zero_shot: zero-shot CLIP's.
    """

    kind: str
    dataset: str
    items_digest: str
    images: int
    learner: Detection | None
    zero_shot: Detection


@dataclass(frozen=True, kw_only=True)
class OpenWorldResult:
    """What the images of an evaluation were told from.

    Args:
        score: what said how well an image is known: ``msp``, ``max_logit`` or ``energy``.
        temperature: what logits were divided by in it.
        known: name of the evaluation whose images are known.
        new: name of the evaluation that classifies the near unknowns among their own classes.
        unknown: a part for each kind.
        learner: OpenworldAUC: share of all pairs of a known image and a near unknown one in which both are put into the
            right class of their own half and the known one scores higher; None where one half can't be scored.
        zero_shot: zero-shot CLIP's.
    """

    score: str
    temperature: float
    known: str
    new: str
    unknown: tuple[UnknownResult, ...]
    learner: float | None
    zero_shot: float
