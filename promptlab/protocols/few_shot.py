"""Few-shot classification: train on some images of every class, test on all classes."""

from __future__ import annotations

from pathlib import Path

from promptlab.data.amounts import Seed, Shots
from promptlab.data.items import Dataset
from promptlab.data.sampling import DrawName
from promptlab.data.unequal import DrawShape, Imbalance
from promptlab.protocols.draw import Shape, Val
from promptlab.protocols.draw import draw as drawn_from
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.support.ranges import checked


@checked()
def few_shot(
    dataset: Dataset,
    *,
    shots: Shots,
    seed: Seed,
    val: Val = "few",
    rule: DrawName = "coop",
    draw: DrawShape = "balanced",
    imbalance: Imbalance = 10.0,
    lists: str | Path | None = None,
) -> Task:
    """The task of CoOp's few-shot curves; see :func:`promptlab.protocols.draw.draw` for the other arguments and errors.

    A dataset without test images is trained on, and nothing is scored; one of test images alone is scored.

    Args:
        dataset: what to train on and score.
        shots: training images per class; of a ``natural`` draw on average, of a ``long_tail`` in its first class.
        seed: of the draw.
        val: validation images, as many of each class.
        rule: whose draw.
        draw: ``balanced``; ``natural``, by the dataset's proportions; or ``long_tail``, exponentially fewer from class
            to class in an order by the seed. Reports then show the balanced accuracy too.
        imbalance: how many times as many images the first class of a long tail has as the last.
        lists: a folder with published lists of a draw's images, in place of ``rule``.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> task = few_shot(demo_dataset("demo_textures"), shots=2, seed=1)
        >>> len(task.train), len(task.val), [part.name for part in task.evaluations]
        (24, 24, ['test'])
    """
    shape = Shape(draw, imbalance)
    drawn = drawn_from(dataset, shots=shots, seed=seed, val=val, rule=rule, shape=shape, lists=lists)
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
