"""What every protocol starts with: the few-shot draw and the validation images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from promptlab.data.amounts import Seed, Shots
from promptlab.data.checks.labels import refuse_single_class
from promptlab.data.checks.names import with_names_noted
from promptlab.data.items import Dataset, Items
from promptlab.data.readers.drawn_lists import read_drawn_list
from promptlab.data.sampling import DrawName, fewer_than, sample_few_shot
from promptlab.data.sampling_from_training import RULES_OF_TRAINING, sample_from_training
from promptlab.data.unequal import DrawShape, sample_unequal
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError, UsageError
from promptlab.support.ranges import checked
from promptlab.support.words import counted, some_of

Val = Literal["few", "shots", "full", "none"]
ONLY_TRAINING = "protocol=few_shot learns from training images alone"


@dataclass(frozen=True)
class Draw:
    """Training and validation items of all classes, and notes as :class:`promptlab.protocols.task.Task` has them."""

    train: Items
    val: Items | None
    notes: tuple[str, ...]
    training_notes: tuple[str, ...] = ()

    def has_images(self, n_classes: int) -> tuple[bool, ...]:
        """For each class, whether it has training images."""
        trained = set(self.train.labels.tolist())
        return tuple(label in trained for label in range(n_classes))


@dataclass(frozen=True)
class Shape:
    """How many training images each class gets.

    Args:
        name: ``balanced``, ``natural`` or ``long_tail``; :mod:`promptlab.data.unequal` says what they are.
        imbalance: of a long tail.
    """

    name: DrawShape = "balanced"
    imbalance: float = 10.0


BALANCED = Shape()


@checked()
def draw(
    dataset: Dataset,
    *,
    shots: Shots,
    seed: Seed,
    val: Val,
    unseen_too: bool = False,
    rule: DrawName = "coop",
    shape: Shape = BALANCED,
    lists: str | Path | None = None,
) -> Draw:
    """CoOp's few-shot draw from a dataset, another paper's, or a published one; nothing from one of test images alone.

    Args:
        dataset: where to draw from.
        shots: training images per class, or ``"all"``.
        seed: of the draw.
        val: ``few`` draws min(shots, 4) validation images per class from the same stream, ``shots`` as many as train,
            ``full`` takes the whole validation split, ``none`` takes none.
        unseen_too: whether the protocol knows classes without training images.
        rule: whose draw, see :func:`promptlab.data.sampling.sample_few_shot`; of a dataset whose validation
            images are its test images some rules take others, see :mod:`promptlab.data.sampling_from_training`.
        shape: how many images each class gets; other papers' draws are balanced.
        lists: a folder with lists of a draw's images, in place of a rule; see
            :func:`promptlab.data.readers.drawn_lists.read_drawn_list`. ``val="few"`` takes its validation images.

    Raises:
        ValueError: for shots or val that can't be, for another paper's draw in an unequal shape, and for lists together
            with a rule or a shape.
        DatasetError: if lists can't be read or don't fit the dataset; if there is one class, or there are no
            images, or none to train on of some classes in a protocol that needs them of all.
    """
    refuse_single_class(dataset.class_names, dataset.name, dataset.class_origins)
    if not len(dataset.train) and not len(dataset.test):
        raise DatasetError(f"{dataset.name} has no images, neither to train on nor to test")
    if dataset.unseen and not unseen_too:
        raise DatasetError(
            f"{dataset.name} has no training images of {counted(len(dataset.unseen), 'class')}, which generalised "
            "zero-shot learning leaves unseen: use protocol=generalized_zero_shot"
        )
    notes = [f"split: {dataset.split_source} ({dataset.split_hash})", *with_names_noted(dataset).notes]
    if not len(dataset.train):
        return Draw(dataset.train, None, (*notes, f"{dataset.name} has test images alone: nothing trains"))
    if not len(dataset.test):
        notes.append(f"{dataset.name} has no test images: nothing of it is scored")
    if lists is None:
        train, few, said = _by_rule(dataset, shots, seed, val, rule, shape)
    elif rule == "coop" and shape == BALANCED:
        train, few, said = _by_lists(dataset, shots, seed, val, lists)
    else:
        raise UsageError("lists say which images train: leave out rule and draw")
    notes += said
    training_notes: tuple[str, ...] = ()
    short = fewer_than(dataset.train.labels, shots) if shape.name == "balanced" and lists is None else {}
    if short:
        counts = [f"{dataset.class_names[label]!r} {count}" for label, count in short.items()]
        have = f"{counted(len(short), 'class has', 'classes have')} fewer than {counted(int(shots), 'training image')}"
        then = "all of them train" if rule == "coop" else "are filled up with repetition"
        training_notes = (f"{have}, and {then}: {some_of(counts)}",)
    drawn_from = dataset.train if _from_training(dataset, shots, rule) else dataset.val
    chosen = {"full": dataset.val, "none": None}.get(val, drawn_from.take(few))
    val_items = chosen if chosen is not None and len(chosen) else None
    return Draw(dataset.train.take(train), val_items, (*notes, *training_notes), training_notes)


def _by_rule(
    dataset: Dataset, shots: Shots, seed: Seed, val: Val, rule: DrawName, shape: Shape
) -> tuple[list[int], list[int], list[str]]:
    """Positions of training and validation images, and what to note of the draw."""
    held_out = shots if val == "shots" and shots != "all" else None
    labels = dataset.train.labels, dataset.val.labels
    if shape.name == "balanced" and shots != "all" and _from_training(dataset, shots, rule):
        both = sample_from_training(labels[0], shots=shots, seed=seed, val_shots=held_out, rule=rule)
        return *both, [f"draw: {rule}, not CoOp's, validation images from the training images"]
    if shape.name == "balanced":
        drawn = sample_few_shot(*labels, shots=shots, seed=seed, val_shots=held_out, rule=rule)
        return *drawn, [] if rule == "coop" else [f"draw: {rule}, not CoOp's"]
    if rule != "coop":
        raise UsageError(f"rule={rule} draws as many of each class: use rule=coop with draw={shape.name}")
    train, few = sample_unequal(
        *labels, draw=shape.name, shots=shots, seed=seed, imbalance=shape.imbalance, val_shots=held_out
    )
    return train, few, [_said(shape, np.bincount(dataset.train.labels[train]))]


def _from_training(dataset: Dataset, shots: Shots, rule: DrawName) -> bool:
    """Whether the rule takes validation images from the training images."""
    return dataset.val_is_test and shots != "all" and rule in RULES_OF_TRAINING


def _by_lists(
    dataset: Dataset, shots: Shots, seed: Seed, val: Val, lists: str | Path
) -> tuple[list[int], list[int], list[str]]:
    """The same of a published draw."""
    if shots == "all":
        raise UsageError("lists are of a number of shots: give shots=1, 2, 4, 8 or 16, or leave out lists")
    if val == "shots":
        raise UsageError("lists say which images validate: use val=few, full or none")
    train = read_drawn_list(dataset, lists, "train", shots=shots, seed=seed)
    few = [read_drawn_list(dataset, lists, "val", shots=shots, seed=seed)] if val == "few" else []
    digests = ", ".join(part.digest for part in (train, *few))
    note = f"draw: shot_{shots}-seed_{seed} of the lists in {Path(lists).name} (sha256 {digests}), not CoOp's"
    return train.positions, few[0].positions if few else [], [note]


def _said(shape: Shape, counts: IntArray) -> str:
    """An unequal draw in words."""
    there = counts[counts > 0]
    ratio = f" with an imbalance of {shape.imbalance:g}" if shape.name == "long_tail" else ""
    images = f"{there.min()} to {there.max()} training images a class, {there.mean():.1f} on average"
    return f"draw: {shape.name}{ratio}, {images}"
