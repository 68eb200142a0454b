"""Results as tables for the console; the caller prints them with ``rich.console.Console.print``.

What is the same in every row of a table moves to the line above it, and what tells two rows apart that would look the
same is spelt out below it, so that eighty columns are enough for most studies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from promptlab.report.grouping import SweepRow, summarise
from promptlab.report.layout import Block, Line, ScoreTable
from promptlab.results.document import Result
from promptlab.results.schema import Metrics
from promptlab.results.statistics import MeanInterval, mean

MISSING = "–"
METRIC_NAMES = {"top1": "top-1 accuracy", "mean_class_accuracy": "mean per-class accuracy"}
_H = "H"
_H_OF_SEED_MEANS = "H of means"
_TARGET_MEAN = "targets"
_CALIBRATED_H = "H biased"
_AREA = "area"
_LAST = (_TARGET_MEAN, _H, _H_OF_SEED_MEANS, _CALIBRATED_H, _AREA)
"""Columns after those of evaluations, in this order."""
_TARGETS_NOTE = f"{_TARGET_MEAN}: mean over the target datasets"


def run_table(result: Result) -> RenderableType:
    """One run: zero-shot CLIP and the learner on every evaluation set, top-1 in percent, and H if the protocol has it.

    Reasons for missing scores stand under the table.
    """
    parts = result.evaluations
    metric = _metric_of(result)
    scores = {name: _score(part.metrics, metric) for name, part in parts.items()}
    zero_shot = {name: _score(part.zero_shot, metric) for name, part in parts.items()}
    notes = [f"{name}: {part.reason}" for name, part in parts.items() if part.reason]
    targets = [name for name, part in parts.items() if part.dataset != result.dataset]
    if len(targets) > 1:
        scores[_TARGET_MEAN], zero_shot[_TARGET_MEAN] = (_mean_of(all_, targets) for all_ in (scores, zero_shot))
        notes.append(_TARGETS_NOTE)
    if result.harmonic is not None:
        scores[_H], zero_shot[_H] = result.harmonic.learner, result.harmonic.zero_shot
        notes.append(f"{_H}: harmonic mean of {' and '.join(result.harmonic.of)}")
    notes += _curve_notes(result)
    facts = {name: str(getattr(result, name)) for name in ("backbone", "shots", "views", "seed", "selection")}
    line = Line({"learner": result.learner}, {name: _percent(score) for name, score in scores.items()})
    return ScoreTable(
        title=f"{result.dataset}, {result.protocol}",
        facts=facts,
        label_columns=(),
        score_columns=tuple(scores),
        blocks=(Block("", {name: _percent(score) for name, score in zero_shot.items()}, (line,)),),
        notes=(*notes, f"{METRIC_NAMES[metric]} in percent"),
    )


def sweep_table(results: Iterable[Result]) -> RenderableType:
    """Runs averaged over seeds, a table per protocol: mean and 95 % Student-t interval of top-1, in percent.

    Runs share a row only if they differ by their seed, and by what the seed drew, alone (see :func:`summarise`).
    """
    rows = summarise(results)
    if not rows:
        return Text("no results")
    tables: list[RenderableType] = []
    for protocol, part in groupby(rows, lambda row: row.protocol):
        tables += [_protocol_table(protocol, list(part)), Text()]
    return Group(*tables[:-1])


def _protocol_table(protocol: str, rows: Sequence[SweepRow]) -> ScoreTable:
    names = _names(rows)
    labels = [_labels(row, name) for row, name in zip(rows, names, strict=True)]
    constant = {name: text for name, text in labels[0].items() if all(label[name] == text for label in labels)}
    constant.pop("learner", None)
    blocks = []
    for (dataset, backbone, zero_shot), group in groupby(zip(rows, labels, strict=True), lambda pair: _base(pair[0])):
        place = {"dataset": dataset, "backbone": backbone}
        heading = ", ".join(text for name, text in place.items() if name not in constant)
        lines = [Line(label, _scores(row)) for row, label in group]
        blocks.append(Block(heading, {name: _percent(score) for name, score in zero_shot}, lines))
    columns = dict.fromkeys(name for block in blocks for line in block.lines for name in line.scores)
    dataset = constant.pop("dataset", "")
    return ScoreTable(
        title=f"{dataset}, {protocol}" if dataset else protocol,
        facts=constant,
        label_columns=[name for name in ("shots", "views", "seeds") if name not in constant],
        score_columns=sorted(columns, key=_h_last),
        blocks=blocks,
        notes=_notes(rows, names),
    )


def _names(rows: Sequence[SweepRow]) -> list[str]:
    """Learners' names, with a letter where only the setting tells a row from another; notes spell the setting out."""
    settings: dict[tuple[str, str], list[str]] = {}
    names = []
    for row in rows:
        known = settings.setdefault((row.dataset, row.learner), [])
        if row.setting and row.setting not in known:
            known.append(row.setting)
        names.append(f"{row.learner} ({_letter(known.index(row.setting))})" if row.setting else row.learner)
    return names


def _letter(position: int) -> str:
    """The letters from a to z, then numbers from 27."""
    return chr(ord("a") + position) if position < 26 else str(position + 1)


def _labels(row: SweepRow, name: str) -> dict[str, str]:
    return {
        "dataset": row.dataset,
        "backbone": row.backbone,
        "learner": name,
        "shots": str(row.shots),
        "views": str(row.views),
        "seeds": _ranges(row.seeds),
    }


def _ranges(seeds: Sequence[int]) -> str:
    """Rising numbers with runs of three and more shortened: 1-3,7,8."""
    parts: list[str] = []
    for _, members in groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in members]
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
    return ",".join(parts)


def _base(row: SweepRow) -> tuple[str, str, tuple[tuple[str, float | None], ...]]:
    """What one zero-shot line speaks for: dataset, backbone, and the scores, comparable with other rows'."""
    harmonic = ((_H, row.zero_shot_h),) if row.harmonic_of is not None else ()
    targets = ((_TARGET_MEAN, row.zero_shot_target_mean),) if row.target_mean is not None else ()
    return row.dataset, row.backbone, (*row.zero_shot.items(), *targets, *harmonic)


def _scores(row: SweepRow) -> dict[str, str]:
    scores = {name: _mean(score) for name, score in row.scores.items()}
    if row.target_mean is not None:
        scores[_TARGET_MEAN] = _mean(row.target_mean)
    if row.harmonic_of is not None:
        scores[_H] = _mean(row.mean_of_seed_h)
        if len(row.seeds) > 1:
            scores[_H_OF_SEED_MEANS] = _percent(row.h_of_seed_means)
    if row.calibrated_h is not None:
        scores[_CALIBRATED_H] = _mean(row.calibrated_h)
    if row.curve_area is not None:
        scores[_AREA] = _mean(row.curve_area)
    return scores


def _h_last(name: str) -> int:
    return _LAST.index(name) + 1 if name in _LAST else 0


def _notes(rows: Sequence[SweepRow], names: Sequence[str]) -> list[str]:
    settings, reasons = [], []
    for row, name in zip(rows, names, strict=True):
        if row.setting:
            settings.append(f"{row.dataset} {name}: {row.setting}")
        reasons += [f"{row.dataset} {name}, {row.shots} shots: {note}" for note in row.notes]
    notes = list(dict.fromkeys(settings + reasons))
    of = next((row.harmonic_of for row in rows if row.harmonic_of), None)
    several = any(len(row.seeds) > 1 for row in rows)
    if any(row.target_mean for row in rows):
        notes.append(_TARGETS_NOTE)
    if of is not None:
        notes.append(f"{_H}: harmonic mean of {' and '.join(of)}" + (", averaged over seeds" if several else ""))
        notes += [f"{_H_OF_SEED_MEANS}: harmonic mean of the means over seeds"] if several else []
    if any(row.calibrated_h for row in rows):
        notes.append(f"{_CALIBRATED_H}: H with a bias for unseen classes, chosen on held-out seen classes")
    if any(row.curve_area for row in rows):
        notes.append(f"{_AREA}: under the seen-unseen curve")
    return [
        *notes,
        f"{METRIC_NAMES[rows[0].metric]} in percent"
        + (", mean ± 95 % Student-t interval over seeds" if several else ""),
    ]


def _metric_of(result: Result) -> str:
    """The score that the protocol reports."""
    return "top1" if result.harmonic is None else result.harmonic.metric


def _curve_notes(result: Result) -> list[str]:
    curve = result.seen_unseen
    if curve is None:
        return []
    notes = [f"area under the seen-unseen curve: {_percent(curve.area)}"]
    if curve.calibration is not None:
        found = curve.calibration
        scores = ", ".join(f"{name} {_percent(getattr(found, name))}" for name in ("seen", "unseen", "harmonic"))
        notes.append(f"with a bias of {found.bias:.3f}, chosen on held-out seen classes (fit {found.fit_id}): {scores}")
    elif curve.best_bias is not None:
        notes.append(f"development split; H is largest at a bias of {curve.best_bias:.3f}")
    else:
        notes.append("no bias between seen and unseen classes (protocol.calibrate=true chooses one)")
    return notes


def _score(metrics: Metrics | None, metric: str) -> float | None:
    return None if metrics is None else float(getattr(metrics, metric))


def _mean_of(scores: Mapping[str, float | None], names: Sequence[str]) -> float | None:
    found = [score for name in names if (score := scores[name]) is not None]
    return mean(found) if len(found) == len(names) else None


def _percent(score: float | None) -> str:
    return MISSING if score is None else f"{100 * score:.2f}"


def _mean(score: MeanInterval | None) -> str:
    """Mean and interval with one space between, where a narrow table may break the line."""
    if score is None:
        return MISSING
    return _percent(score.mean) if score.half_width is None else f"{_percent(score.mean)} ±{_percent(score.half_width)}"
