"""Base-to-new generalisation: train on the first half of the classes, test on each half over its own label space."""

from __future__ import annotations

from promptlab.data.items import Dataset, DatasetError
from promptlab.data.sampling import Shots, base_new_classes
from promptlab.protocols.draw import Val, draw
from promptlab.protocols.task import EvaluationSet, Task


def base_to_new(dataset: Dataset, *, shots: Shots, seed: int, val: Val = "few") -> Task:
    """The task of CoCoOp's base-to-new tables.

    The few-shot draw is over all classes and halved afterwards, so the base images are a subset of the few-shot
    protocol's for the same seed. The names of the new classes are known while training; their images are not.
    See :func:`promptlab.protocols.draw.draw` for the arguments.

    Raises:
        DatasetError: if there are fewer than two classes.
    """
    if len(dataset.class_names) < 2:
        raise DatasetError(f"base_to_new needs at least two classes; {dataset.name} has {len(dataset.class_names)}")
    drawn = draw(dataset, shots=shots, seed=seed, val=val)
    base, new = base_new_classes(len(dataset.class_names))

    def half(name: str, classes: list[int]) -> EvaluationSet:
        names = tuple(dataset.class_names[label] for label in classes)
        test = dataset.test.of_classes(classes)
        return EvaluationSet(name, dataset.name, test, names, dataset.template, known=tuple(classes))

    return Task(
        protocol="base_to_new",
        dataset=dataset.name,
        class_names=dataset.class_names,
        has_images=tuple(label in set(base) for label in range(len(dataset.class_names))),
        template=dataset.template,
        train=drawn.train.of_classes(base),
        val=None if drawn.val is None else drawn.val.of_classes(base),
        evaluations=(half("base", base), half("new", new)),
        harmonic=("base", "new"),
        notes=drawn.notes,
    )
