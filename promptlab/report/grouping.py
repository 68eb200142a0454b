"""Runs that may be averaged: those that differ by their seed, and by what the seed drew, alone.

Everything else that a fit depends on separates rows, whether a table shows it or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.results.document import Result
from promptlab.results.ids import canonical_json
from promptlab.results.schema import EvaluationResult, Metrics
from promptlab.results.statistics import MeanInterval, h_of_seed_means, harmonic_mean, mean, mean_interval
from promptlab.support.typed_json import to_plain

DRAWN_BY_SEED = ("seed", "train_digest", "val_digest")
_LONGEST_VALUE = 24


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """Runs of one setting over seeds, averaged. Scores are fractions in [0, 1].

    Args:
        protocol: name of the protocol.
        dataset: name of the training dataset.
        learner: name of the learner.
        backbone: name of the backbone.
        shots: training images per class, or ``"all"``.
        views: random views, or ``"online"``.
        metric: what the scores are, ``top1`` or ``mean_class_accuracy``.
        setting: what tells this row from others that look the same, e.g. ``n_ctx=4``; empty if nothing does.
        seeds: the seeds averaged over, rising.
        scores: evaluation to the mean over seeds with Student-t interval, None where there is none.
        zero_shot: evaluation to zero-shot CLIP's score, None where there is none.
        harmonic_of: the two evaluations that H is made of, None without H.
        mean_of_seed_h: mean over seeds of each seed's H, with interval.
        h_of_seed_means: H of the two means over seeds.
        zero_shot_h: zero-shot CLIP's H.
        target_mean: each seed's mean over the other datasets that it was scored on, averaged over the seeds that have
            all of them; None with fewer than two such datasets.
        zero_shot_target_mean: zero-shot CLIP's mean over them.
        curve_area: area under the seen-unseen curve, averaged over seeds, None without a curve.
        calibrated_h: H under each seed's bias that was chosen beforehand, averaged; None unless all seeds have one.
        notes: why scores are missing or rest on fewer seeds.
    """

    protocol: str
    dataset: str
    learner: str
    backbone: str
    shots: int | str
    views: int | str
    metric: str
    setting: str
    seeds: tuple[int, ...]
    scores: Mapping[str, MeanInterval | None]
    zero_shot: Mapping[str, float | None]
    harmonic_of: tuple[str, str] | None = None
    mean_of_seed_h: MeanInterval | None = None
    h_of_seed_means: float | None = None
    zero_shot_h: float | None = None
    target_mean: MeanInterval | None = None
    zero_shot_target_mean: float | None = None
    curve_area: MeanInterval | None = None
    calibrated_h: MeanInterval | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Group:
    """Runs that may be averaged, one per seed."""

    facts: dict[str, Any]
    runs: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def appearance(self) -> tuple[Any, ...]:
        """What a reader of the table sees of this group, in the order that rows are sorted by."""
        run = self.runs[0]
        return (run.protocol, run.dataset, run.backbone, run.learner, _order(run.shots), _order(run.views))


def summarise(results: Iterable[Result]) -> list[SweepRow]:
    """Group runs, average each group over its seeds, and sort the rows.

    Of several runs with one seed in one group the newest counts. The order of ``results`` doesn't matter.
    """
    groups: dict[str, _Group] = {}
    for result in sorted(results, key=lambda result: (result.seed, result.created, result.fit_id)):
        facts = _facts(result)
        _add(groups.setdefault(canonical_json(facts), _Group(facts)), result)
    ordered = sorted(groups.items(), key=lambda item: (item[1].appearance, item[0]))
    alike: dict[tuple[Any, ...], list[_Group]] = {}
    for _, group in ordered:
        alike.setdefault(group.appearance, []).append(group)
    return [_row(group, _setting(group, alike[group.appearance])) for _, group in ordered]


def _facts(result: Result) -> dict[str, Any]:
    """Everything that separates rows, flat: names of facts and of learner arguments to their values."""
    fit = to_plain(result.fit)
    assert isinstance(fit, dict)
    arguments = fit.pop("learner_arguments")
    facts = {name: value for name, value in fit.items() if name not in DRAWN_BY_SEED}
    seen = ("protocol", "dataset", "learner", "backbone", "shots", "train_images", "val_images")
    run = {name: getattr(result, name) for name in seen}
    return _flat(arguments, "learner.") | _flat(facts, "fit.") | run


def _flat(arguments: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
    return flat


def _add(group: _Group, result: Result) -> None:
    """Add a run; it is newer than those of the same seed that are there."""
    before = [run for run in group.runs if run.seed == result.seed]
    if any(run.fit_id != result.fit_id for run in before):
        group.notes.append(f"seed {result.seed}: several fits on different images, the newest counts")
    group.runs = [run for run in group.runs if run.seed != result.seed] + [result]


def _setting(group: _Group, alike: Sequence[_Group]) -> str:
    """The facts that tell a group from those that look like it."""
    names = sorted({name for other in alike for name in other.facts})
    varying = [name for name in names if len({canonical_json(other.facts.get(name, "–")) for other in alike}) > 1]
    return ", ".join(f"{name.removeprefix('learner.')}={_short(group.facts.get(name, '–'))}" for name in varying)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    return "#" + hashlib.sha256(text.encode()).hexdigest()[:6]


def _row(group: _Group, setting: str) -> SweepRow:
    runs, notes = group.runs, list(group.notes)
    names = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    comparable = {name: _comparable(name, runs, notes) for name in names}
    first = runs[0]
    metric = "top1" if first.harmonic is None else first.harmonic.metric
    row = SweepRow(
        protocol=first.protocol,
        dataset=first.dataset,
        learner=first.learner,
        backbone=first.backbone,
        shots=first.shots,
        views=first.views,
        metric=metric,
        setting=setting,
        seeds=tuple(run.seed for run in runs),
        scores={name: _mean_score(found, metric) for name, found in comparable.items()},
        zero_shot={name: _zero_shot(found, metric) for name, found in comparable.items()},
        notes=tuple(dict.fromkeys(notes)),
    )
    targets = [found for name, found in comparable.items() if _is_target(name, runs)]
    if len(targets) > 1:
        row = _with_target_mean(row, targets, metric)
    row = _with_curve(row, runs)
    return row if first.harmonic is None else _with_harmonic(row, comparable, first.harmonic.of, first.harmonic.metric)


def _comparable(name: str, runs: Sequence[Result], notes: list[str]) -> dict[int, EvaluationResult]:
    """Seed to its evaluation, empty if they weren't all scored on the same items; notes say what is missing."""
    found = {run.seed: run.evaluations[name] for run in runs if name in run.evaluations}
    if any(evaluation.facts != next(iter(found.values())).facts for evaluation in found.values()):
        notes.append(f"{name}: the seeds were scored on different test items or label spaces, so there is no mean")
        return {}
    missing = {run.seed: found[run.seed].reason if run.seed in found else "not evaluated" for run in runs}
    for reason in dict.fromkeys(reason for reason in missing.values() if reason):
        seeds = [seed for seed, other in missing.items() if other == reason]
        notes.append(f"{name}: {reason}" if len(seeds) == len(runs) else f"{name}: {reason} ({_seeds(seeds)} left out)")
    return found


def _mean_score(found: Mapping[int, EvaluationResult], metric: str) -> MeanInterval | None:
    scores = [_score(evaluation.metrics, metric) for evaluation in found.values() if evaluation.metrics is not None]
    return mean_interval(scores) if scores else None


def _zero_shot(found: Mapping[int, EvaluationResult], metric: str) -> float | None:
    scores = [_score(evaluation.zero_shot, metric) for evaluation in found.values() if evaluation.zero_shot is not None]
    return mean(scores) if scores else None


def _is_target(name: str, runs: Sequence[Result]) -> bool:
    """Whether an evaluation is of another dataset than the training images are."""
    return any(run.evaluations[name].dataset != run.dataset for run in runs if name in run.evaluations)


def _with_target_mean(row: SweepRow, targets: Sequence[Mapping[int, EvaluationResult]], metric: str) -> SweepRow:
    """The row with the mean over targets, over the seeds that have all of them."""
    per_seed = []
    for seed in row.seeds:
        found = [target[seed].metrics if seed in target else None for target in targets]
        if all(metrics is not None for metrics in found):
            per_seed.append(mean([_score(metrics, metric) for metrics in found]))
    zero_shot = [score for target in targets if (score := _zero_shot(target, metric)) is not None]
    return replace(
        row,
        target_mean=mean_interval(per_seed) if per_seed else None,
        zero_shot_target_mean=mean(zero_shot) if len(zero_shot) == len(targets) else None,
    )


def _with_curve(row: SweepRow, runs: Sequence[Result]) -> SweepRow:
    """The row with what the seen-unseen curves say."""
    curves = [run.seen_unseen for run in runs if run.seen_unseen is not None]
    chosen = [curve.calibration.harmonic for curve in curves if curve.calibration is not None]
    return replace(
        row,
        curve_area=mean_interval([curve.area for curve in curves]) if curves else None,
        calibrated_h=mean_interval(chosen) if len(chosen) == len(runs) else None,
    )


def _with_harmonic(
    row: SweepRow, comparable: Mapping[str, Mapping[int, EvaluationResult]], of: tuple[str, str], metric: str
) -> SweepRow:
    """The row with H, over the seeds that have both scores."""
    first, second = (comparable.get(name, {}) for name in of)
    pairs = [
        (_score(first[seed].metrics, metric), _score(second[seed].metrics, metric))
        for seed in sorted(first.keys() & second.keys())
        if first[seed].metrics is not None and second[seed].metrics is not None
    ]
    zero_shot = [_zero_shot(found, metric) for found in (first, second)]
    return replace(
        row,
        harmonic_of=of,
        mean_of_seed_h=mean_interval([harmonic_mean(a, b) for a, b in pairs]) if pairs else None,
        h_of_seed_means=h_of_seed_means([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None,
        zero_shot_h=None if zero_shot[0] is None or zero_shot[1] is None else harmonic_mean(zero_shot[0], zero_shot[1]),
    )


def _score(metrics: Metrics | None, metric: str) -> float:
    return float(getattr(metrics, metric))


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _order(value: int | str) -> tuple[bool, int | str]:
    """Numbers first, by size, then words."""
    return isinstance(value, str), value
