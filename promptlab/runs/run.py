"""One run: open its parts, fit, score, write; what is there already isn't done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab.config.same import settings_key
from promptlab.config.settings import Settings
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.document import Result
from promptlab.results.store import (
    RESUME_NAME,
    UNFINISHED_NAME,
    failure_kept,
    lock,
    run_dir,
    write_result,
)
from promptlab.runs import session
from promptlab.runs.calibrate import Bias, choose_bias
from promptlab.runs.document import PHASES, Joint, continued_document, new_document
from promptlab.runs.earlier import Earlier, clear_earlier, find_earlier
from promptlab.runs.facts import Fit, Target, fit_of, targets_of
from promptlab.runs.fit import describe, encode_images, fit_or_take_over, take_over
from promptlab.runs.open_world import open_world_result
from promptlab.runs.parts import Parts, bind, build_learner, open_parts, require_scorable, with_training_notes
from promptlab.runs.score import Scored, score, seen_unseen_curve
from promptlab.runs.temperature import held_out
from promptlab.runs.tracker import Tracker, tracked
from promptlab.support.clock import Clock
from promptlab.support.files import sweep_leftovers
from promptlab.support.machine import restart_gpu_peak
from promptlab.support.typed_json import to_plain
from promptlab.training.fit import FitReport


@dataclass(frozen=True)
class Outcome:
    """A run's Result, the folder it is in, and whether it was computed now or found finished."""

    result: Result
    folder: Path
    fresh: bool


def run(settings: Settings, *, opened: Callable[[Parts], None] | None = None, wait: bool = True) -> Outcome:
    """Open, fit, score, write; or find that all of it is finished.

    Args:
        settings: what to run.
        opened: told of the run's parts once they are open, before anything is trained.
        wait: wait for another process that is at work on the same fit; otherwise that is an error.

    Raises:
        ConfigError: if the settings don't fit each other.
        DatasetError: if the images can't be used as they are.
        HeldError: if another process is at work on the same fit and ``wait`` is false.
        PlainError: for a value that a Result can't hold, such as ``ckpt_every_s=inf``.
        ResultError: if there is a Result of this fit that is damaged or of a newer promptlab; it stays as it is.
    """
    to_plain(settings.as_document())  # what the Result couldn't hold is named before anything is done
    clock = Clock(PHASES)
    with clock.phase("load"):
        parts = open_parts(settings)
        restart_gpu_peak(parts.clip.device)
        fit = fit_of(parts)
        targets = targets_of(parts, fit)
        task = parts.task
        folder = run_dir(settings.results, task.dataset, task.protocol, settings.learner.label, fit.id)
    if opened is not None:
        opened(parts)
    bias = choose_bias(settings, parts.task, lambda other: run(other, wait=wait).result)
    work = _Work(parts, session.feature_bank(), fit, targets, bias, folder, clock)
    sweep_leftovers(folder)
    if not settings.force and (found := work.finished()) is not None:
        return found
    learner = build_learner(parts)
    require_scorable(learner, parts)
    if settings.calibration == "temperature":
        held_out(learner, parts)
    work = replace(work, parts=with_training_notes(learner, parts))
    about = settings_key(settings.as_document())
    with lock(folder, about=about, wait=wait), failure_kept(folder):  # what another process did isn't done again
        return work.finish(learner)


@dataclass(frozen=True)
class _Work:
    """A run that is told from all others."""

    parts: Parts
    bank: FeatureBank
    fit: Fit
    targets: tuple[Target, ...]
    bias: Bias | None
    folder: Path
    clock: Clock

    def finished(self) -> Outcome | None:
        """What an earlier run left, if nothing of it is missing."""
        earlier = find_earlier(self.folder, self.parts, self.targets, self.bias)
        if earlier is None or not (earlier.complete and earlier.has_card):
            return None
        return Outcome(earlier.result, self.folder, fresh=False)

    def finish(self, learner: PromptLearner) -> Outcome:
        """Fit, score and write what isn't there yet."""
        if self.parts.settings.force:
            clear_earlier(self.folder)
        earlier = find_earlier(self.folder, self.parts, self.targets, self.bias, mend=True)
        if earlier is not None and earlier.complete:
            if not earlier.has_card:
                describe(take_over(learner, earlier), self.folder, earlier.result)
            return Outcome(earlier.result, self.folder, fresh=False)
        with tracked(self.parts.settings, self.folder, self.fit.id) as tracker:
            return self._make(learner, earlier, tracker)

    def _make(self, learner: PromptLearner, earlier: Earlier | None, tracker: Tracker) -> Outcome:
        """Fit or take over, score, write."""
        with self.clock.phase("features"):
            encode_images(self.parts, self.bank)
        with self.clock.phase("fit"):
            logger = tracker.logger
            report = fit_or_take_over(learner, self.parts, self.fit, self.bank, self.folder, earlier, logger)
        with self.clock.phase("evaluate"):
            scored = self._score(learner, report, earlier)
            joint = Joint(
                seen_unseen_curve(self.parts.task, scored, self.bias),
                open_world_result(learner, self.parts, scored, self.bank),
            )
        result = self._document(learner, report, earlier, scored, joint)
        describe(learner, self.folder, result)
        write_result(self.folder, result)
        (self.folder / UNFINISHED_NAME).unlink(missing_ok=True)
        tracker.tell(result, trained=report is not None)
        return Outcome(result, self.folder, fresh=True)

    def _score(self, learner: PromptLearner, report: FitReport | None, earlier: Earlier | None) -> dict[str, Scored]:
        """Score what isn't scored; before each evaluation the Result so far is written: a kill loses that one alone."""
        task, settings, scored = self.parts.task, self.parts.settings, dict[str, Scored]()
        done = earlier.scored if report is None and earlier is not None and not task.seen_unseen else ()
        for evaluation, target in zip(task.evaluations, self.targets, strict=True):
            if evaluation.name in done:
                continue
            write_result(self.folder, self._document(learner, report, earlier, scored, Joint()), UNFINISHED_NAME)
            (self.folder / RESUME_NAME).unlink(missing_ok=True)
            scorer = bind(learner, self.parts, evaluation)
            scored[evaluation.name] = score(
                scorer,
                evaluation,
                target,
                self.parts.clip,
                self.bank,
                self.folder,
                temperature=learner.decision.temperature if settings.calibration == "temperature" else None,
                anew=settings.force,
                keep_logits=settings.keep == "logits",
            )
        return scored

    def _document(
        self,
        learner: PromptLearner,
        report: FitReport | None,
        earlier: Earlier | None,
        scored: dict[str, Scored],
        joint: Joint,
    ) -> Result:
        scores = {name: part.result for name, part in scored.items()}
        if report is None:
            assert earlier is not None
            return continued_document(self.parts, earlier, scores, joint, self.clock)
        return new_document(self.parts, self.fit, learner, report, scores, joint, self.clock, self.folder)
