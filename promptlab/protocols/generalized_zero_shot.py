"""Generalised zero-shot learning: train on the seen classes, score seen and unseen test images over all classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from promptlab.data.items import Dataset
from promptlab.data.sampling import Shots, base_new_classes
from promptlab.protocols.draw import Val, draw
from promptlab.protocols.task import EvaluationSet, SeenUnseen, Task
from promptlab.support.errors import DatasetError

Split = Literal["test", "development"]


def generalized_zero_shot(
    dataset: Dataset, *, shots: Shots, seed: int, val: Val = "few", calibrate: bool = False, split: Split = "test"
) -> Task:
    """The task of the generalised zero-shot benchmarks: S and U are mean per-class accuracies over all classes.

    Unseen are the classes that the dataset says so of, or, of one that doesn't, the second half.

    Args:
        dataset: what to train on and score.
        shots: training images per seen class; ``"all"`` is the benchmark's way.
        seed: of the draw.
        val: validation images, of seen classes.
        calibrate: whether a run chooses a bias between seen and unseen classes beforehand, by the same fit on
            ``split="development"``.
        split: ``test``, or ``development``: some of the seen classes are held out in place of the unseen ones, and no
            image of the test split is scored. Its Results are filed apart, as ``generalized_zero_shot_development``.

    Raises:
        ValueError: for an unknown split.
        DatasetError: if there are fewer than three classes, no training or no test images, too few for a development
            split, or if that would hold images of the test split.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> task = generalized_zero_shot(demo_dataset("demo_textures"), shots="all", seed=1)
        >>> [(part.name, len(part.class_names)) for part in task.evaluations], sum(task.has_images)
        ([('seen', 12), ('unseen', 12)], 6)
    """
    if split not in get_args(Split):
        raise ValueError(f"protocol.split={split!r}: allowed are {', '.join(get_args(Split))}")
    if not len(dataset.train) or not len(dataset.test):
        raise DatasetError(
            f"generalized_zero_shot trains on seen classes and scores both kinds; {dataset.name} has no "
            f"{'training' if not len(dataset.train) else 'test'} images: use protocol=few_shot"
        )
    dataset = _with_unseen(dataset)
    if split == "development":
        dataset = _untested(dataset.development or development_of(dataset), dataset)
    unseen = set(dataset.unseen)
    # the unseen classes of the test split are no part of the development split, not even as names
    used = sorted(unseen.union(dataset.train.labels.tolist()))
    drawn = draw(dataset, shots=shots, seed=seed, val=val, unseen_too=True)
    names = tuple(dataset.class_names[label] for label in used)
    everything = tuple(range(len(used)))

    def part(name: str, wanted: bool) -> EvaluationSet:
        items = dataset.test.of_classes(used).only([i for i in everything if (used[i] in unseen) == wanted])
        return EvaluationSet(name, dataset.name, items, names, dataset.template, known=everything)

    return Task(
        protocol="generalized_zero_shot" if split == "test" else f"generalized_zero_shot_{split}",
        dataset=dataset.name,
        class_names=names,
        has_images=tuple(label not in unseen for label in used),
        template=dataset.template,
        train=drawn.train.of_classes(used),
        val=None if drawn.val is None else drawn.val.of_classes(used),
        evaluations=(part("seen", False), part("unseen", True)),
        harmonic=("seen", "unseen"),
        metric="mean_class_accuracy",
        seen_unseen=SeenUnseen("seen", "unseen", tuple(label in unseen for label in used)),
        calibration={"calibrate": False, "split": "development"} if calibrate else None,
        is_development=split == "development",
        notes=drawn.notes,
    )


def _with_unseen(dataset: Dataset) -> Dataset:
    """The dataset with unseen classes: its own, or the second half."""
    if dataset.unseen:
        return dataset
    if len(dataset.class_names) < 3:
        raise DatasetError(
            f"generalized_zero_shot needs at least two classes that are seen and one that isn't; {dataset.name} has "
            f"{len(dataset.class_names)} in all: use protocol=few_shot"
        )
    seen, unseen = base_new_classes(len(dataset.class_names))
    return replace(dataset, train=dataset.train.only(seen), val=dataset.val.only(seen), unseen=tuple(unseen))


def _untested(development: Dataset, dataset: Dataset) -> Dataset:
    """The development split, if none of its images is tested later.

    Raises:
        DatasetError: if one is.
    """
    tested = set(dataset.test.content_ids())
    for items in (development.train, development.val, development.test):
        shared = tested.intersection(items.content_ids())
        if shared:
            raise DatasetError(
                f"{dataset.name}: {len(shared)} images of what a calibration would be chosen with are test images too; "
                "use protocol.calibrate=false"
            )
    return development


def development_of(dataset: Dataset) -> Dataset:
    """A development split of a dataset that brings none: a third of its seen classes are held out.

    Every third seen class is unseen here, and what is scored are validation images: all of the held-out classes, every
    second one of the others, whose rest stays for learners that search something.

    Args:
        dataset: with unseen classes.

    Raises:
        DatasetError: if fewer than three classes are seen, or some have no validation images.
    """
    seen = [label for label in range(len(dataset.class_names)) if label not in set(dataset.unseen)]
    if len(seen) < 3 or not set(seen) <= set(dataset.val.labels.tolist()):
        raise DatasetError(
            f"{dataset.name} has no development split to choose a calibration on: three seen classes with validation "
            "images are needed; use protocol.calibrate=false"
        )
    held_out = seen[2::3]
    kept = [np.flatnonzero(dataset.val.labels == label) for label in seen if label not in held_out]
    tested = [*(rows[::2] for rows in kept), np.flatnonzero(np.isin(dataset.val.labels, held_out))]
    return replace(
        dataset,
        train=dataset.train.only(set(seen) - set(held_out)),
        val=dataset.val.take(np.sort(np.concatenate([rows[1::2] for rows in kept]))),
        test=dataset.val.take(np.sort(np.concatenate(tested))),
        unseen=tuple(held_out),
    )
