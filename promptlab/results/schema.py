"""The parts of a Result: scores, reliability, learning curve, host. Their fields are the keys of ``result.json``.

Scores are fractions in [0, 1]; tables show percent. What can't be computed is None (JSON null), never zero or NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.results import tables
from promptlab.results.calibration import CalibrationErrors
from promptlab.results.ids import EvalFacts
from promptlab.support.words import counted


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How far confidence can be believed: accuracy against confidence, in bins of equal width.

    Confidence is the largest softmax probability of an image. Bin b holds [edge b, edge b+1); the last one holds 1 too.

    Args:
        edges: n_bins + 1 limits from 0 to 1.
        count: images per bin.
        mean_confidence: per bin in [0, 1], None in an empty one.
        accuracy: per bin in [0, 1], None in an empty one.
        ece: expected calibration error in [0, 1]: the gap between both, averaged over images.
    """

    edges: tuple[float, ...]
    count: tuple[int, ...]
    mean_confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    ece: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Metrics:
    """What one set of predictions scores. All scores are fractions in [0, 1]; a notebook shows them as a table.

    Args:
        top1: correct images by all images (micro accuracy, the field's headline number).
        mean_class_accuracy: accuracy per class, averaged over the classes that have test images.
        macro_f1: F1 per class, averaged over the classes that have test images, as CoOp's evaluator has it.
        images: number of test images N, at least 1.
        per_class_accuracy: C accuracies in label order, None for a class without test images.
        per_class_images: C numbers of test images, in label order.
        reliability: confidence against accuracy in 15 bins.
    """

    top1: float
    mean_class_accuracy: float
    macro_f1: float
    images: int
    per_class_accuracy: tuple[float | None, ...]
    per_class_images: tuple[int, ...]
    reliability: Reliability

    def __repr__(self) -> str:
        """One line."""
        scores = f"top1={self.top1:.4f}, mean_class_accuracy={self.mean_class_accuracy:.4f}"
        more = f"macro_f1={self.macro_f1:.4f}, ece={self.reliability.ece:.4f}"
        return f"Metrics({scores}, {more}, images={self.images}, classes={len(self.per_class_images)})"

    def __str__(self) -> str:
        """A table, in percent."""
        return tables.as_text(*self._table())

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table())

    def _table(self) -> tuple[str, list[str], dict[str, list[str]]]:
        scores = {
            "top1": self.top1,
            "mean_class_accuracy": self.mean_class_accuracy,
            "macro_f1": self.macro_f1,
            "ece": self.reliability.ece,
        }
        title = f"{counted(self.images, 'image')}, {counted(len(self.per_class_images), 'class')}; in percent"
        return title, [""], {name: [tables.percent(score)] for name, score in scores.items()}


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What a learner scores on one evaluation set, and zero-shot CLIP beside it.

    Args:
        dataset: name of the dataset that the test items come from.
        eval_id: id of this evaluation, which follows from the fit and ``facts``.
        facts: what the evaluation is: test items, label space, template.
        metrics: the learner's scores, or None where it can't score this set.
        reason: why ``metrics`` is None; None where there are scores.
        zero_shot: scores of zero-shot CLIP with the dataset's template on the same items, None if not computed.
        predictions: file name of the predictions sidecar in the run's folder, None without one.
        logits: file name of all logits in the run's folder, None where they weren't asked for.
        uncalibrated: how far the learner's probabilities are from what happened, None in Results of earlier versions.
        calibrated: the same after the run's temperature, None without one.
    """

    dataset: str
    eval_id: str
    facts: EvalFacts
    metrics: Metrics | None
    reason: str | None
    zero_shot: Metrics | None
    predictions: str | None
    logits: str | None = None
    uncalibrated: CalibrationErrors | None = None
    calibrated: CalibrationErrors | None = None

    def __post_init__(self) -> None:
        if (self.metrics is None) == (not self.reason):
            raise ValueError("an evaluation has either metrics or a reason for having none")


@dataclass(frozen=True, kw_only=True)
class Harmonic:
    """The harmonic mean H of two evaluations.

    Args:
        of: names of the two evaluations.
        metric: the score it is made of, ``top1`` or ``mean_class_accuracy``.
        learner: the learner's H in [0, 1], None where one of the two has no score.
        zero_shot: H of zero-shot CLIP, None where one of the two has no score.
    """

    of: tuple[str, str]
    metric: str
    learner: float | None
    zero_shot: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A bias between seen and unseen classes that was chosen without the test images, and what it gives on them.

    Args:
        bias: added to the logits of unseen classes.
        fit_id: the fit that it was chosen with, on a development split.
        seen: mean per-class accuracy of the seen classes' images in [0, 1].
        unseen: the same of the unseen classes' images.
        harmonic: of the two.
    """

    bias: float
    fit_id: str
    seen: float
    unseen: float
    harmonic: float


@dataclass(frozen=True, kw_only=True)
class SeenUnseenCurve:
    """What a bias on the logits of unseen classes trades: mean per-class accuracies over the joint label space.

    Args:
        bias: at most 101 biases, rising.
        seen: accuracy of the seen classes' images at each, in [0, 1].
        unseen: the same of the unseen classes' images.
        area: under the whole curve of seen over unseen accuracy, in [0, 1].
        best_bias: where H is largest, for a development split; None for a test split, on which nothing is chosen.
        calibration: the test scores under a bias chosen beforehand, None without one.
    """

    bias: tuple[float, ...]
    seen: tuple[float, ...]
    unseen: tuple[float, ...]
    area: float
    best_bias: float | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch of one gradient stage.

    Args:
        stage: name of the stage.
        epoch: 0-based.
        loss: mean training loss, None where it wasn't finite or wasn't measured.
        accuracy: training accuracy in [0, 1], None for stages without one.
        learning_rate: the rate that the epoch ran with, None for stages without one.
        val_accuracy: on the validation images in [0, 1], None where they choose nothing.
        val_loss: on the validation images, for stages whose epoch is chosen by it.
        test_accuracy: on the first evaluation's test images in [0, 1], None where ``select`` isn't ``test``.
    """

    stage: str
    epoch: int
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    val_accuracy: float | None = None
    val_loss: float | None = None
    test_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedParameters:
    """What was learned.

    Args:
        count: numbers trained on a loss, by an optimiser, L-BFGS or full-batch descent; a cache and what a search finds
            aren't counted.
        shapes: name of each learned tensor, of closed forms too, to its shape.
    """

    count: int
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall-clock seconds by phase: loading the backbone and data, image features, fitting, evaluating."""

    load: float
    features: float
    fit: float
    evaluate: float


@dataclass(frozen=True, kw_only=True)
class GitCommit:
    """The checkout that promptlab ran from: the commit's hash, and whether files differed from it."""

    commit: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class Host:
    """Where it ran.

    Args:
        platform: operating system, release and machine.
        python: version of the interpreter.
        cpu_count: CPUs that the process may use.
        torch_threads: threads that torch computes with.
        device: ``cpu``, or the accelerator's name.
    """

    platform: str
    python: str
    cpu_count: int
    torch_threads: int
    device: str
