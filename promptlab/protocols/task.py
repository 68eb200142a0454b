"""What a protocol produces: the Task, everything a run may train on and everything it will be scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Annotated, Any, Literal

from annotated_types import Interval

from promptlab.data.checks.labels import refuse_single_class
from promptlab.data.items import Items

UnknownScore = Literal["msp", "max_logit", "energy"]
"""What says of an image how well it is known; :func:`promptlab.evaluation.unknown.knownness` has the formulas."""
ScoreTemperature = Annotated[float, Interval(gt=0, le=10_000)]
"""What logits are divided by in such a score."""


@dataclass(frozen=True)
class EvaluationSet:
    """Test items with the label space that they are scored over.

    Args:
        name: what a Result calls it, e.g. ``test``, ``base``, ``new``.
        dataset: name of the dataset the items come from.
        items: labels index ``class_names``.
        class_names: the label space, C names.
        template: the dataset's hand-written prompt.
        known: for each of the C classes its index among ``Task.class_names``, or None where these names are not
            among the known ones.

    Raises:
        DatasetError: if the label space has fewer than two classes: a score over one can't be wrong.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> data = demo_dataset("demo_textures")
        >>> test = EvaluationSet("test", data.name, data.test, data.class_names, data.template, known=tuple(range(12)))
        >>> len(test.items)
        720
    """

    name: str
    dataset: str
    items: Items
    class_names: tuple[str, ...]
    template: str
    known: tuple[int, ...] | None

    def __post_init__(self) -> None:
        refuse_single_class(self.class_names, f"{self.dataset}, {self.name!r} images")


@dataclass(frozen=True)
class SeenUnseen:
    """Two evaluations over one label space of seen and unseen classes, between which a bias can trade.

    Args:
        seen: name of the evaluation of the seen classes' images.
        unseen: name of the other.
        is_unseen: for each class of the label space.
    """

    seen: str
    unseen: str
    is_unseen: tuple[bool, ...]


@dataclass(frozen=True)
class Unknown:
    """Test images of none of the classes that a learner is asked about.

    Args:
        kind: ``near``, other classes of the same dataset, or ``far``, another dataset.
        dataset: name of the dataset that they come from.
        items: their labels mean nothing here.
    """

    kind: Literal["near", "far"]
    dataset: str
    items: Items


@dataclass(frozen=True)
class OpenWorld:
    """An evaluation whose images are to be told from images of other classes by the logits over its own classes.

    Args:
        known: name of the evaluation.
        new: name of the evaluation that classifies the near unknowns among their own classes.
        unknowns: what is to be told apart; the near ones are the images of ``new``, in its order.
        score: what says how well an image is known.
        temperature: what logits are divided by in it.
    """

    known: str
    new: str
    unknowns: tuple[Unknown, ...]
    score: UnknownScore
    temperature: float


@dataclass(frozen=True)
class Task:
    """One fit and its evaluations.

    Args:
        protocol: name of the protocol.
        dataset: name of the training dataset.
        class_names: every name known while training, also of classes without images.
        has_images: for each known class, whether it has training images.
        template: the training dataset's hand-written prompt.
        train: training items; labels index ``class_names``.
        val: labelled validation images of classes that have training images, or None.
        evaluations: what is scored.
        harmonic: names of the two evaluations whose harmonic mean the protocol reports, or None.
        metric: the score that the protocol reports, ``top1`` or ``mean_class_accuracy``.
        seen_unseen: which evaluations the seen-unseen curve is made of, or None.
        open_world: what else is to be told from an evaluation's images, or None.
        calibration: arguments of the protocol under which a bias between seen and unseen classes is chosen beforehand,
            by the same fit on images that are never tested; None where none is chosen.
        is_development: whether this is such a task.
        notes: facts a reader of the Result needs (rules that applied, where the split comes from).
        training_notes: those of them that say something only where a learner trains.

    Raises:
        DatasetError: if there are training images, and all of one class: nothing can be learned from them.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> from promptlab.protocols import few_shot
        >>> few_shot(demo_dataset("demo_textures"), shots=1, seed=1).has_images.count(True)
        12
    """

    protocol: str
    dataset: str
    class_names: tuple[str, ...]
    has_images: tuple[bool, ...]
    template: str
    train: Items
    val: Items | None
    evaluations: tuple[EvaluationSet, ...]
    harmonic: tuple[str, str] | None = None
    metric: Literal["top1", "mean_class_accuracy"] = "top1"
    seen_unseen: SeenUnseen | None = None
    open_world: OpenWorld | None = None
    calibration: Mapping[str, Any] | None = None
    is_development: bool = False
    notes: tuple[str, ...] = ()
    training_notes: tuple[str, ...] = ()

    @property
    def tested(self) -> tuple[tuple[str, Items], ...]:
        """All that may neither train nor choose: test images, each list with the name of its dataset."""
        unknown = () if self.open_world is None else self.open_world.unknowns
        scored = [(part.dataset, part.items) for part in self.evaluations]
        return (*scored, *((part.dataset, part.items) for part in unknown))

    def __post_init__(self) -> None:
        if sum(self.has_images) == 1 < len(self.has_images):
            names = list(compress(self.class_names, self.has_images))
            refuse_single_class(names, f"{self.dataset}, training images of {self.protocol}")
