"""The pictures that the scores find most wrong, each with the given picture that is nearest to it."""

from __future__ import annotations

import numpy as np
import torch

from promptlab.own.diagnosed import MOST, NearestFound, WrongPicture
from promptlab.own.evidence import Evidence
from promptlab.own.nearest import nearest_pictures
from promptlab.support.arrays import FloatArray


def most_wrong(evidence: Evidence, features: FloatArray | None) -> tuple[WrongPicture, ...]:
    """Those whose own label is the least probable; among equals the surest mistakes first.

    Args:
        evidence: N scored pictures.
        features: (M, D) of the pictures that are there, L2-normalised; None where they can't be had.
    """
    names, sure = evidence.predictions.class_names, evidence.sure
    rows = np.flatnonzero(evidence.said != evidence.labels)
    order = rows[np.lexsort((-sure[rows], evidence.own[rows]))][:MOST]
    return tuple(
        WrongPicture(
            row=row,
            file=evidence.name(row),
            label=names[int(evidence.labels[row])],
            said=names[int(evidence.said[row])],
            own=float(evidence.own[row]),
            sure=float(sure[row]),
            nearest=None if features is None else _nearest(evidence, features, row),
        )
        for row in order.tolist()
    )


def _nearest(evidence: Evidence, features: FloatArray, row: int) -> NearestFound | None:
    """The picture that is nearest to another one; None for one that isn't there, or is alone."""
    names = [evidence.predictions.class_names[label] for label in evidence.labels[evidence.rows].tolist()]
    for place in np.flatnonzero(evidence.rows == row).tolist():
        among = torch.from_numpy(features)
        for one in nearest_pictures(among[place : place + 1], among, names, most=2)[0]:  # itself is one of two
            if one.row != place:
                near = int(evidence.rows[one.row])
                similarity = min(one.similarity, 1.0)
                return NearestFound(row=near, file=evidence.name(near), label=one.label, similarity=similarity)
    return None
