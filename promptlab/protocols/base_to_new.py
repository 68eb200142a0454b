"""Base-to-new generalisation: train on the first half of the classes, test on each half over its own label space."""

from __future__ import annotations

from pathlib import Path

from promptlab.data.amounts import Seed, Shots
from promptlab.data.items import Dataset
from promptlab.data.sampling import DrawName, base_new_classes
from promptlab.protocols.draw import ONLY_TRAINING, Val, draw
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked


@checked()
def base_to_new(
    dataset: Dataset,
    *,
    shots: Shots,
    seed: Seed,
    val: Val = "few",
    joint: bool = False,
    rule: DrawName = "coop",
    lists: str | Path | None = None,
) -> Task:
    """The task of CoCoOp's base-to-new tables.

    The few-shot draw is over all classes and halved afterwards, so the base images are a subset of the few-shot
    protocol's for the same seed. The names of the new classes are known while training; their images are not.
    See :func:`promptlab.protocols.draw.draw` for the other arguments.

    Args:
        dataset: what to halve.
        shots: training images per base class.
        seed: of the draw.
        val: validation images of base classes.
        joint: also score both halves over all classes, as ``base_joint`` and ``new_joint``: other evaluations of the
            same fit.
        rule: whose draw.
        lists: a folder with published lists of a draw's images, of all classes, in place of ``rule``.

    Raises:
        DatasetError: if there are fewer than four classes, so that a half would have one, or nothing is tested.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> task = base_to_new(demo_dataset("demo_textures"), shots=2, seed=1)
        >>> len(task.train), [(part.name, len(part.class_names)) for part in task.evaluations], task.harmonic
        (12, [('base', 6), ('new', 6)], ('base', 'new'))
    """
    return halves("base_to_new", dataset, shots=shots, seed=seed, val=val, joint=joint, rule=rule, lists=lists)


def halves(
    protocol: str,
    dataset: Dataset,
    *,
    shots: Shots,
    seed: Seed,
    val: Val,
    joint: bool = False,
    rule: DrawName,
    lists: str | Path | None,
) -> Task:
    """The task of a protocol that halves the classes: :func:`base_to_new` under the name that messages give it.

    Args:
        protocol: the name; all else as for :func:`base_to_new`.
        dataset: what is halved.
        shots: training images per base class.
        seed: of the draw.
        val: validation images of base classes.
        joint: whether both halves are scored over all classes too.
        rule: whose draw.
        lists: a folder with a published draw.

    Raises:
        DatasetError: as :func:`base_to_new`.
    """
    n_classes = len(dataset.class_names)
    if n_classes < 4:
        raise DatasetError(
            f"{protocol} needs at least two classes in each half; {dataset.name} has {n_classes} in all, and over one "
            "class no answer could be wrong: use protocol=few_shot"
        )
    if not len(dataset.test):
        raise DatasetError(f"{protocol} scores both halves, and {dataset.name} has no test images: {ONLY_TRAINING}")
    drawn = draw(dataset, shots=shots, seed=seed, val=val, rule=rule, lists=lists)
    base, new = base_new_classes(n_classes)
    train = drawn.train.of_classes(base)
    trained = set(train.labels.tolist())
    everything = tuple(range(n_classes))

    def over_all(name: str, classes: list[int]) -> EvaluationSet:
        test = dataset.test.only(classes)
        return EvaluationSet(name, dataset.name, test, dataset.class_names, dataset.template, known=everything)

    def half(name: str, classes: list[int]) -> EvaluationSet:
        names = tuple(dataset.class_names[label] for label in classes)
        test = dataset.test.of_classes(classes)
        return EvaluationSet(name, dataset.name, test, names, dataset.template, known=tuple(classes))

    jointly = (over_all("base_joint", base), over_all("new_joint", new)) if joint else ()
    return Task(
        protocol=protocol,
        dataset=dataset.name,
        class_names=dataset.class_names,
        has_images=tuple(label in trained for label in everything),
        template=dataset.template,
        train=train,
        val=None if drawn.val is None else drawn.val.of_classes(base),
        evaluations=(half("base", base), half("new", new), *jointly),
        harmonic=("base", "new"),
        notes=drawn.notes,
        training_notes=drawn.training_notes,
    )
