"""Averages over datasets as tables: the last block of a paper's table, by contestant and number of shots."""

from __future__ import annotations

from collections.abc import Iterable

from promptlab.report.column import percent, score_text
from promptlab.report.layout import LEARNER, Block, Line, ScoreTable
from promptlab.report.overall import OverallRow, overall
from promptlab.report.study import ZERO_SHOT, Section, at_shots, sections
from promptlab.results.document import Result

PAIRED_NOTE = "±: 95 % Student-t interval of the seeds' averages over these datasets, seeds paired"
HARMONIC_NOTE = "mean of H averages each dataset's H; H of averages is what the CoCoOp table's last row prints"


def average_tables(results: Iterable[Result]) -> list[ScoreTable]:
    """A table per protocol and backbone whose learners were scored on several datasets.

    Example:
        >>> average_tables([])
        []
    """
    return [_table(section, rows) for section in sections(results) if (rows := overall(section))]


def _table(section: Section, rows: list[OverallRow]) -> ScoreTable:
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    learners = [row for row in rows if row.contestant != ZERO_SHOT]
    baseline = next((row for row in rows if row.contestant == ZERO_SHOT), None)
    zero_shot = {} if baseline is None else {name: score.mean for name, score in baseline.scores.items()}
    shots = {row.shots for row in learners}
    facts = {"backbone": section.backbone} | ({"shots": str(learners[0].shots)} if len(shots) == 1 else {})
    block = Block(
        "",
        {name: percent(zero_shot.get(name)) for name in names},
        [_line(row, names) for row in learners],
        {name: round(score, 4) for name, score in zero_shot.items()},
    )
    missing = [f"{row.contestant} {at_shots(row.shots)}: {row.missing}" for row in learners if row.missing]
    return ScoreTable(
        title=f"{section.protocol}, average over {max(row.places for row in rows)} datasets",
        facts=facts,
        label_columns=["shots"] if len(shots) > 1 else [],
        score_columns=names,
        blocks=[block],
        notes=[PAIRED_NOTE, *([HARMONIC_NOTE] if "mean of H" in names else []), *missing],
    )


def _line(row: OverallRow, names: list[str]) -> Line:
    scores = {name: row.scores.get(name) for name in names}
    marked = bool(row.marks)
    return Line(
        {LEARNER: row.contestant, "shots": str(row.shots)},
        {name: percent(None) if score is None else score_text(score) for name, score in scores.items()},
        ranked={name: round(score.mean, 4) for name, score in scores.items() if score is not None and not marked},
    )
