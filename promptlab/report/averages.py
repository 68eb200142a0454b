"""Runs of one setting, averaged over seeds into one row.

Four ways to average H are kept apart by name. Over seeds, for one dataset: the mean over seeds of each seed's H, and H
of the two means over seeds. Over datasets: H of the two means over datasets (the "Average" rows of the CoCoOp table),
and the mean of each dataset's H. They differ by up to a point. A row has the first two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.report.run_scores import RUN_SCORES
from promptlab.report.statistics import MeanInterval, mean, mean_interval
from promptlab.results.document import Result
from promptlab.results.schema import EvaluationResult, Metrics
from promptlab.results.statistics import harmonic_mean

METRIC_NAMES = {"top1": "top-1 accuracy", "mean_class_accuracy": "mean per-class accuracy"}


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """Runs of one setting over seeds, averaged. Scores are fractions in [0, 1].

    Args:
        protocol: name of the protocol.
        dataset: name of the training dataset.
        learner: name of the learner.
        backbone: name of the backbone.
        shots: training images per class that were asked for, or ``"all"``.
        images_a_class: how many there were, averaged over classes and seeds; None where nothing was trained.
        views: random views, or ``"online"``.
        metric: what the scores are, ``top1`` or ``mean_class_accuracy``.
        setting: what tells this row from others that look the same, e.g. ``n_ctx=4``; empty if nothing does.
        seeds: the seeds averaged over, rising.
        scores: evaluation to the mean over seeds with Student-t interval, None where there is none.
        zero_shot: evaluation to zero-shot CLIP's score, None where there is none.
        marks: what sets the runs apart from others, as their Results say, e.g. ``transductive``.
        targets: the evaluations of other datasets than the training images are of.
        harmonic_of: the two evaluations that H is made of, None without H.
        mean_of_seed_h: mean over seeds of each seed's H, with interval.
        h_of_seed_means: H of the two means over seeds.
        zero_shot_h: zero-shot CLIP's H.
        target_mean: each seed's mean over the other datasets that it was scored on, averaged over the seeds that have
            all of them; None with fewer than two such datasets.
        zero_shot_target_mean: zero-shot CLIP's mean over them.
        curve_area: area under the seen-unseen curve, averaged over seeds, None without a curve.
        calibrated_h: H under each seed's bias that was chosen beforehand, averaged; None unless all seeds have one.
        run_scores: name of a :class:`~promptlab.report.run_score.RunScore` to its mean over seeds, of those that all
            runs have.
        zero_shot_run_scores: the same of zero-shot CLIP.
        notes: why scores are missing or rest on fewer seeds.
        runs: what was averaged, by rising seed.
        facts: what all of them share, flat: names of facts and of learner arguments to their values.
    """

    protocol: str
    dataset: str
    learner: str
    backbone: str
    shots: int | str
    images_a_class: float | None
    views: int | str
    metric: str
    setting: str
    seeds: tuple[int, ...]
    scores: Mapping[str, MeanInterval | None]
    zero_shot: Mapping[str, float | None]
    marks: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    harmonic_of: tuple[str, str] | None = None
    mean_of_seed_h: MeanInterval | None = None
    h_of_seed_means: float | None = None
    zero_shot_h: float | None = None
    target_mean: MeanInterval | None = None
    zero_shot_target_mean: float | None = None
    curve_area: MeanInterval | None = None
    calibrated_h: MeanInterval | None = None
    run_scores: Mapping[str, MeanInterval] = field(default_factory=dict)
    zero_shot_run_scores: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    runs: tuple[Result, ...] = field(default=(), repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def seed_scores(self, name: str) -> dict[int, float]:
        """Each seed's score on an evaluation set; none where the row has no mean there."""
        if self.scores.get(name) is None:
            return {}
        scored = {run.seed: run.evaluations[name].metrics for run in self.runs if name in run.evaluations}
        return {seed: _score(metrics, self.metric) for seed, metrics in scored.items() if metrics is not None}


def average(
    runs: Sequence[Result], setting: str = "", notes: Sequence[str] = (), facts: Mapping[str, Any] | None = None
) -> SweepRow:
    """One row of runs that differ by their seed alone.

    Args:
        runs: at least one, one per seed, by rising seed.
        setting: what tells them from others that look the same.
        notes: what a reader should know of them already.
        facts: what they share.
    """
    said = list(notes)
    names = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    if not names:
        said.append("nothing was scored: there are no test images")
    comparable = {name: _comparable(name, runs, said) for name in names}
    first = runs[0]
    had = [number for run in runs if (number := images_a_class(run)) is not None]
    metric = "top1" if first.harmonic is None else first.harmonic.metric
    row = SweepRow(
        protocol=first.protocol,
        dataset=first.dataset,
        learner=first.learner,
        backbone=first.backbone,
        shots=first.shots,
        images_a_class=mean(had) if had else None,
        views=first.views,
        metric=metric,
        setting=setting,
        seeds=tuple(run.seed for run in runs),
        scores={name: _mean_score(found, metric) for name, found in comparable.items()},
        zero_shot={name: _zero_shot(found, metric) for name, found in comparable.items()},
        marks=first.marks,
        targets=tuple(name for name in names if _is_target(name, runs)),
        notes=tuple(dict.fromkeys(said)),
        runs=tuple(runs),
        facts=facts or {},
    )
    if len(row.targets) > 1:
        row = _with_target_mean(row, [comparable[name] for name in row.targets], metric)
    row = _with_curve(row, runs)
    row = replace(
        row,
        run_scores={score.name: own for score in RUN_SCORES if (own := score.average(runs)) is not None},
        zero_shot_run_scores={
            score.name: base for score in RUN_SCORES if (base := score.zero_shot_average(runs)) is not None
        },
    )
    return row if first.harmonic is None else _with_harmonic(row, comparable, first.harmonic.of, first.harmonic.metric)


def images_a_class(run: Result) -> float | None:
    """How many training images there were of a class that has some, on average; None where nothing was trained."""
    if not run.trained_parameters.shapes:
        return None
    return run.train_images / max(sum(run.fit.has_images), 1)


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
        h_of_seed_means=harmonic_mean(mean([a for a, _ in pairs]), mean([b for _, b in pairs])) if pairs else None,
        zero_shot_h=None if zero_shot[0] is None or zero_shot[1] is None else harmonic_mean(zero_shot[0], zero_shot[1]),
    )


def _score(metrics: Metrics | None, metric: str) -> float:
    return float(getattr(metrics, metric))


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
