"""Open world: train on the first half of the classes, then meet images of the other half, and of other datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from promptlab.class_text.spelling import spelling
from promptlab.data.amounts import Seed, Shots
from promptlab.data.items import Dataset
from promptlab.data.readers.tested import with_test
from promptlab.data.sampling import DrawName
from promptlab.protocols.base_to_new import halves
from promptlab.protocols.cross_dataset import check_targets
from promptlab.protocols.draw import Val
from promptlab.protocols.task import EvaluationSet, OpenWorld, ScoreTemperature, Task, Unknown, UnknownScore
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import counted, some_of


@checked()
def open_world(
    dataset: Dataset,
    *,
    targets: Sequence[Dataset] = (),
    shots: Shots,
    seed: Seed,
    val: Val = "few",
    rule: DrawName = "coop",
    lists: str | Path | None = None,
    score: UnknownScore = "msp",
    temperature: ScoreTemperature = 1.0,
) -> Task:
    """The task of open-world prompt tuning: that of :func:`promptlab.protocols.base_to_new`, and more is asked of it.

    ``joint`` scores the images of both halves over all classes. By its logits over the base classes a learner is to
    tell their test images from near unknowns, those of the new classes, and from far ones, the targets' test images.
    The fit is base_to_new's.

    Args:
        dataset: what to halve.
        targets: other datasets, whose test images are far unknowns; none are needed. Images of classes that are called
            as a base class are left out.
        shots: see :func:`promptlab.protocols.draw.draw`, as ``seed``, ``val`` and ``rule``.
        seed: of the draw.
        val: validation images of base classes.
        rule: whose draw.
        lists: a folder with published lists of a draw's images, in place of ``rule``.
        score: what says how well an image is known, see :func:`promptlab.evaluation.unknown.knownness`.
        temperature: what logits are divided by in it.

    Raises:
        DatasetError: as base_to_new; if a target is given twice or is the dataset, or has no images of other classes.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> task = open_world(demo_dataset("demo_shapes"), targets=[demo_dataset("demo_textures")], shots=1, seed=1)
        >>> [(part.name, len(part.class_names)) for part in task.evaluations]
        [('base', 12), ('new', 12), ('joint', 24)]
        >>> [(part.kind, part.dataset, len(part.items)) for part in task.open_world.unknowns]
        [('near', 'demo_shapes', 720), ('far', 'demo_textures', 720)]
    """
    if targets:
        check_targets("open_world", dataset, targets)
    halved = halves("open_world", dataset, shots=shots, seed=seed, val=val, rule=rule, lists=lists)
    base, new = halved.evaluations
    everything = tuple(range(len(dataset.class_names)))
    joint = EvaluationSet("joint", dataset.name, dataset.test, dataset.class_names, dataset.template, known=everything)
    far, notes = [], list(halved.notes)
    for target in targets:
        unknown, left_out = _far(with_test(target, "all") if target.drawn else target, base)
        far.append(unknown)
        notes += [f"split of {target.name}: {target.split_source} ({target.split_hash})", *left_out]
    near = Unknown("near", new.dataset, new.items)
    return replace(
        halved,
        evaluations=(base, new, joint),
        open_world=OpenWorld(base.name, new.name, (near, *far), score, temperature),
        notes=tuple(notes),
    )


def _far(target: Dataset, base: EvaluationSet) -> tuple[Unknown, list[str]]:
    """A target's test images of classes that aren't the base's, and a note on the others."""
    ours = {spelling(name) for name in base.class_names}
    shared = [label for label, name in enumerate(target.class_names) if spelling(name) in ours]
    unknown = target.test.take(np.flatnonzero(~np.isin(target.test.labels, shared)))
    if not len(unknown):
        raise DatasetError(
            f"open_world: {target.name} has no test images of classes that {base.dataset} hasn't among its base classes"
        )
    left_out = len(target.test) - len(unknown)
    if not left_out:
        return Unknown("far", target.name, unknown), []
    names = some_of([target.class_names[label] for label in shared])
    return Unknown("far", target.name, unknown), [
        f"{target.name}: {counted(left_out, 'image')} of base classes left out of the far unknowns: {names}"
    ]
