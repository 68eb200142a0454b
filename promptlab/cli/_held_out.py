"""What ``promptlab predict`` chooses by the held-out pictures whose scores lie beside a learner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from promptlab.evaluation.prediction_sets import (
    class_set_thresholds,
    pictures_needed,
    prediction_sets,
    set_threshold,
)
from promptlab.evaluation.thresholds import threshold_for_coverage, threshold_for_false_alarms
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.logits import logits_name, read_logits
from promptlab.support.arrays import BoolArray, FloatArray, IntArray
from promptlab.support.errors import UsageError
from promptlab.support.words import counted, some_of


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """N pictures, each scored by a learner that wasn't trained on it.

    Args:
        probabilities: (N, C) by the learner's temperature.
        labels: (N,) class indices.
        class_names: names of the C classes.
        is_other: (C,) which of them stand for "none of these".
    """

    probabilities: FloatArray
    labels: IntArray
    class_names: tuple[str, ...]
    is_other: BoolArray

    @classmethod
    def of(cls, folder: str, learner: PromptLearner, option: str, *, all_classes: bool) -> Self:
        """Those of a learner's folder.

        Args:
            folder: that the learner was loaded from.
            learner: as it will predict.
            option: that needs them, for messages.
            all_classes: whether the learner has the classes that it was loaded with.

        Raises:
            UsageError: if there are none, or they were scored for other classes.
        """
        path = Path(folder).expanduser() / logits_name("held_out")
        if not path.is_file():
            raise UsageError(
                f"{option} needs the scores of held-out pictures, and there is no {path}: promptlab adapt has them, "
                "where a class has more than one picture and the budget was enough"
            )
        kept = read_logits(path)
        if kept.class_names != learner.class_names:
            more = len(learner.class_names) - len(kept.class_names)
            if all_classes and more > 0:
                raise UsageError(
                    f"{option} can't be kept: {counted(more, 'class')} came after the held-out pictures were scored; "
                    "run `promptlab adapt` again with the new pictures among the others"
                )
            raise UsageError(
                f"{option} is of the classes that the held-out pictures were scored for: leave out --classes"
            )
        return cls(
            probabilities=learner.decision.probabilities(torch.from_numpy(kept.logits)).numpy(),
            labels=kept.labels.astype(np.int64),
            class_names=kept.class_names,
            is_other=np.isin(kept.class_names, learner.decision.others),
        )

    def least_of_sets(self, coverage: float, *, each_class: bool) -> tuple[float | list[float], str]:
        """The least probability of a class of a prediction set, and what that does to these pictures, in words.

        Args:
            coverage: how often a set holds the right class.
            each_class: whether it does so for pictures of each class, and there is a probability for each.
        """
        needed, counts = pictures_needed(coverage), np.bincount(self.labels, minlength=len(self.class_names))
        least: float | list[float]
        if each_class:
            least = class_set_thresholds(self.probabilities, self.labels, coverage).tolist()
            short = [name for name, count in zip(self.class_names, counts, strict=True) if count < needed]
        else:
            least = set_threshold(self.probabilities, self.labels, coverage)
            short = ["every class"] if len(self.labels) < needed else []
        size = prediction_sets(self.probabilities, np.asarray(least)).sum(1).mean()
        said = f"sets of {size:.1f} of {counted(len(self.class_names), 'class')} on average over the held-out pictures"
        if short:
            of = " of a class" * each_class
            said += f"; all hold {some_of(short)}: {coverage:g} needs {counted(needed, 'held-out picture')}{of}"
        return least, said

    def threshold(self, *, coverage: float | None, false_alarms: float | None) -> tuple[float, str]:
        """The least probability of an answer, and what it does to these pictures, in words.

        Args:
            coverage: share of the classes' pictures that are answered; or
            false_alarms: share of the pictures of other things that get a class's name all the same.

        Raises:
            UsageError: without pictures of the kind that is asked about, or if no threshold does it.
        """
        best = self.probabilities.argmax(1)
        sure = np.where(self.is_other[best], 0, self.probabilities.max(1))  # 0: "none of these" already
        unknown = self.is_other[self.labels]
        if false_alarms is None:
            assert coverage is not None
            found = threshold_for_coverage(sure[~unknown], coverage)
        elif unknown.any():
            try:
                found = threshold_for_false_alarms(sure[unknown], false_alarms)
            except ValueError as error:  # more than so many are certain
                raise UsageError(f"--false-alarms: {error}") from None
        else:
            raise UsageError(
                "--false-alarms needs held-out pictures of what is none of the classes: promptlab adapt --negatives "
                "FOLDER has them"
            )
        answered = (sure >= found) & ~self.is_other[best]
        right = answered & (best == self.labels) & ~unknown
        said = f"{answered[~unknown].mean():.0%} of {counted(int((~unknown).sum()), 'held-out picture')} get a name"
        if answered[~unknown].any():
            said += f", {right.sum() / answered[~unknown].sum():.0%} of these the right one"
        if unknown.any():
            said += f"; {answered[unknown].mean():.0%} of {counted(int(unknown.sum()), 'picture')} of other things do"
        return found, f"threshold {found:.4f}: {said}"
