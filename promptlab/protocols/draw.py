"""What every protocol starts with: the few-shot draw and the validation images."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, get_args

from promptlab.data.checks.labels import refuse_single_class
from promptlab.data.checks.names import with_names_noted
from promptlab.data.items import Dataset, Items
from promptlab.data.sampling import Shots, check_shots, fewer_than, sample_few_shot
from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of

log = logging.getLogger(__name__)
Val = Literal["few", "full", "none"]
ONLY_TRAINING = "protocol=few_shot learns from training images alone"


@dataclass(frozen=True)
class Draw:
    """Training and validation items of all classes, and what a reader should know of how they were drawn."""

    train: Items
    val: Items | None
    notes: tuple[str, ...]

    def has_images(self, n_classes: int) -> tuple[bool, ...]:
        """For each class, whether it has training images."""
        trained = set(self.train.labels.tolist())
        return tuple(label in trained for label in range(n_classes))


def draw(dataset: Dataset, *, shots: Shots, seed: int, val: Val, unseen_too: bool = False) -> Draw:
    """CoOp's few-shot draw from a dataset; nothing from one of test images alone.

    Args:
        dataset: where to draw from.
        shots: training images per class, or ``"all"``.
        seed: of the draw.
        val: ``few`` draws min(shots, 4) validation images per class from the same stream, ``full`` takes the whole
            validation split, ``none`` takes none.
        unseen_too: whether the protocol knows classes without training images.

    Raises:
        ValueError: for shots or val that can't be.
        DatasetError: if there is one class, or there are no images, or none to train on of some classes in a protocol
            that needs them of all.
    """
    check_shots(shots)
    refuse_single_class(dataset.class_names, dataset.name, dataset.class_origins)
    if val not in get_args(Val):
        raise ValueError(f"val={val!r}: allowed are {', '.join(get_args(Val))}")
    if not len(dataset.train) and not len(dataset.test):
        raise DatasetError(f"{dataset.name} has no images, neither to train on nor to test")
    if dataset.unseen and not unseen_too:
        raise DatasetError(
            f"{dataset.name} has no training images of {len(dataset.unseen)} classes, which generalised zero-shot "
            "learning leaves unseen: use protocol=generalized_zero_shot"
        )
    notes = [f"split: {dataset.split_source} ({dataset.split_hash})", *with_names_noted(dataset).notes]
    if not len(dataset.train):
        return Draw(dataset.train, None, (*notes, f"{dataset.name} has test images alone: nothing trains"))
    if not len(dataset.test):
        notes.append(f"{dataset.name} has no test images: nothing of it is scored")
    train, few = sample_few_shot(dataset.train.labels, dataset.val.labels, shots=shots, seed=seed)
    short = fewer_than(dataset.train.labels, shots)
    if short:
        counts = [f"{dataset.class_names[label]!r} {count}" for label, count in short.items()]
        have = "class has" if len(short) == 1 else "classes have"
        notes.append(
            f"{len(short)} {have} fewer than {shots} training images, and all of them train: {some_of(counts)}"
        )
        log.warning("%s: %s", dataset.name, notes[-1])
    chosen = {"few": dataset.val.take(few), "full": dataset.val, "none": None}[val]
    return Draw(dataset.train.take(train), chosen if chosen is not None and len(chosen) else None, tuple(notes))
