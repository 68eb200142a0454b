"""Few-shot classification: train on some images of every class, test on all classes."""

from __future__ import annotations

from promptlab.data.amounts import Seed, Shots
from promptlab.data.items import Dataset
from promptlab.data.sampling import DrawName
from promptlab.protocols.draw import Val, draw
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.support.ranges import checked


@checked()
def few_shot(dataset: Dataset, *, shots: Shots, seed: Seed, val: Val = "few", rule: DrawName = "coop") -> Task:
    """The task of CoOp's few-shot curves; see :func:`promptlab.protocols.draw.draw` for the arguments and errors.

    A dataset without test images is trained on, and nothing is scored; one of test images alone is scored.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> task = few_shot(demo_dataset("demo_textures"), shots=2, seed=1)
        >>> len(task.train), len(task.val), [part.name for part in task.evaluations]
        (24, 24, ['test'])
    """
    drawn = draw(dataset, shots=shots, seed=seed, val=val, rule=rule)
    classes = range(len(dataset.class_names))
    test = EvaluationSet(
        "test", dataset.name, dataset.test, dataset.class_names, dataset.template, known=tuple(classes)
    )
    return Task(
        protocol="few_shot",
        dataset=dataset.name,
        class_names=dataset.class_names,
        has_images=drawn.has_images(len(classes)),
        template=dataset.template,
        train=drawn.train,
        val=drawn.val,
        evaluations=(test,) if len(dataset.test) else (),
        notes=drawn.notes,
        training_notes=drawn.training_notes,
    )
