"""A diagnosis as one HTML file with its pictures in it: no network, no script; names from data are text."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from promptlab.own.advice import advice
from promptlab.own.diagnosed import Diagnosis, PairFound
from promptlab.own.diagnosis import worst_first
from promptlab.own.diagnosis_tables import title_of
from promptlab.own.evidence import Evidence
from promptlab.report.page.template import filled
from promptlab.report.pictures import data_uri
from promptlab.support.errors import DatasetError
from promptlab.support.files import write_text_atomic

SIDE = 160
"""Pixels of a picture's longer side."""
_PER_PAIR = 6
log = logging.getLogger(__name__)


def write_page(path: str | Path, found: Diagnosis, evidence: Evidence) -> Path:
    """Write the page, atomically.

    Args:
        path: the file.
        found: what it says.
        evidence: what that was found in; its pictures are shown.

    Raises:
        UsageError: without jinja2, naming the extra that has it.
    """
    write_text_atomic(path, page(found, evidence))
    return Path(path)


def page(found: Diagnosis, evidence: Evidence) -> str:
    """The page as text.

    Args:
        found: what it says.
        evidence: what that was found in.

    Raises:
        UsageError: without jinja2, naming the extra that has it.
    """
    confused = [(pair, _rows_of(pair, evidence)) for pair in found.confused]
    shown = {one.row for one in found.wrong} | {one.nearest.row for one in found.wrong if one.nearest}
    shown.update(row for one in found.contradictions for row in one.rows)
    shown.update(row for _, rows in confused for row in rows)
    return filled(
        __package__,
        "diagnosis.html.j2",
        found=found,
        title=title_of(found),
        advice=advice(found),
        classes=worst_first(found),
        confused=confused,
        pictures=_thumbnails(evidence, shown),
    )


def _rows_of(pair: PairFound, evidence: Evidence) -> list[int]:
    """Some of the pictures of a pair, the surest mistakes first."""
    names, sure = evidence.predictions.class_names, evidence.predictions.top_probabilities[:, 0]
    label, said = names.index(pair.label), names.index(pair.said)
    rows = np.flatnonzero((evidence.labels == label) & (evidence.said == said))
    order: list[int] = rows[np.argsort(-sure[rows], kind="stable")][:_PER_PAIR].tolist()
    return order


def _thumbnails(evidence: Evidence, rows: set[int]) -> dict[int, str]:
    """Row to picture, of those that are there and can be read."""
    if evidence.pictures is None:
        return {}
    source, found = evidence.pictures.source, {}
    for place in np.flatnonzero(np.isin(evidence.rows, sorted(rows))).tolist():
        try:
            picture = source.open(int(evidence.pictures.indices[place]))
        except DatasetError as error:
            log.warning("left a picture out: %s", error)
            continue
        found[int(evidence.rows[place])] = data_uri(picture, SIDE)
    return found
