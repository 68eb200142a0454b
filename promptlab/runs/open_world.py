"""How well a run's learner, and zero-shot CLIP beside it, tell the images of an evaluation from unknown ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.unknown import detection, knownness, openworld_auc, right
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.zero_shot import ZeroShot
from promptlab.protocols.task import EvaluationSet, OpenWorld
from promptlab.results.document import Result
from promptlab.results.open_world import Detection, OpenWorldResult, UnknownResult
from promptlab.runs.facts import digest
from promptlab.runs.parts import Parts, bind
from promptlab.runs.score import Scored

Bound = Callable[[EvaluationSet], PromptLearner | str]
"""The learner for an evaluation's label space, or the reason why it can't score that."""


def open_world_result(
    learner: PromptLearner, parts: Parts, scored: Mapping[str, Scored], bank: FeatureBank
) -> OpenWorldResult | None:
    """What the task asks for besides its evaluations, None where that is nothing.

    Args:
        learner: of the run.
        parts: of the run.
        scored: evaluations of this run, whose logits aren't computed again.
        bank: where features are.
    """
    wanted = parts.task.open_world
    if wanted is None:
        return None
    logits = {name: part.logits for name, part in scored.items() if part.logits is not None}
    own = _measured(partial(bind, learner, parts), parts, wanted, bank, logits)
    zero_shot = _measured(partial(_zero_shot, parts), parts, wanted, bank, {})
    assert zero_shot.detections is not None
    assert zero_shot.openworld_auc is not None
    detections = own.detections or (None,) * len(wanted.unknowns)
    return OpenWorldResult(
        score=wanted.score,
        temperature=wanted.temperature,
        known=wanted.known,
        new=wanted.new,
        unknown=tuple(
            UnknownResult(
                kind=unknown.kind,
                dataset=unknown.dataset,
                items_digest=digest(unknown.items, parts),
                images=len(unknown.items),
                learner=of_learner,
                zero_shot=of_zero_shot,
            )
            for unknown, of_learner, of_zero_shot in zip(wanted.unknowns, detections, zero_shot.detections, strict=True)
        ),
        learner=own.openworld_auc,
        zero_shot=zero_shot.openworld_auc,
    )


def has_open_world(result: Result, parts: Parts) -> bool:
    """Whether a document says all that the task asks for."""
    wanted, found = parts.task.open_world, result.open_world
    if wanted is None:
        return True
    if found is None or not _same_score(found, wanted):
        return False
    there = {(part.kind, part.dataset, part.items_digest) for part in found.unknown}
    return all((part.kind, part.dataset, digest(part.items, parts)) in there for part in wanted.unknowns)


def joined(earlier: OpenWorldResult | None, now: OpenWorldResult | None) -> OpenWorldResult | None:
    """What is known now, with the other unknowns of an earlier document where the same score told them apart."""
    if earlier is None or now is None:
        return now or earlier
    if (earlier.score, earlier.temperature) != (now.score, now.temperature):
        return now
    mine = {(part.kind, part.dataset) for part in now.unknown}
    others = tuple(part for part in earlier.unknown if (part.kind, part.dataset) not in mine)
    return replace(now, unknown=(*now.unknown, *others))


@dataclass(frozen=True)
class _Measured:
    """A part for each of the unknowns, None where the known classes can't be scored; and OpenworldAUC."""

    detections: tuple[Detection, ...] | None
    openworld_auc: float | None


def _measured(
    bound: Bound, parts: Parts, wanted: OpenWorld, bank: FeatureBank, logits: Mapping[str, Tensor]
) -> _Measured:
    """What one learner makes of it; ``logits`` are those of evaluations that are there already."""
    evaluations = {evaluation.name: evaluation for evaluation in parts.task.evaluations}
    base, new = evaluations[wanted.known], evaluations[wanted.new]

    def of(evaluation: EvaluationSet) -> Tensor | None:
        if evaluation.name in logits:
            return logits[evaluation.name]
        scorer = bound(evaluation)
        return None if isinstance(scorer, str) else logits_of(scorer, evaluation.items, bank)

    detector = bound(base)
    if isinstance(detector, str):
        return _Measured(None, None)
    score = partial(knownness, score=wanted.score, temperature=wanted.temperature)
    of_base, of_new = of(base), of(new)
    assert of_base is not None
    known = score(of_base)
    unknown = [score(logits_of(detector, part.items, bank)) for part in wanted.unknowns]
    detections = tuple(detection(known, scores) for scores in unknown)
    if of_new is None:
        return _Measured(detections, None)
    hits = [right(found, torch.from_numpy(part.items.labels)) for found, part in ((of_base, base), (of_new, new))]
    near = next(scores for scores, part in zip(unknown, wanted.unknowns, strict=True) if part.kind == "near")
    return _Measured(detections, openworld_auc(known, hits[0], near, hits[1]))


def _zero_shot(parts: Parts, evaluation: EvaluationSet) -> PromptLearner:
    return ZeroShot(parts.clip, evaluation.class_names, template=evaluation.template)


def _same_score(found: OpenWorldResult, wanted: OpenWorld) -> bool:
    return (found.score, found.temperature) == (wanted.score, wanted.temperature)
