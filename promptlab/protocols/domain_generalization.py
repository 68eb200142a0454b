"""Domain generalisation: train on one dataset, score the same classes, or some of them, on images of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from promptlab.class_text.spelling import spelling
from promptlab.data.amounts import Seed, Shots
from promptlab.data.items import Dataset
from promptlab.data.sampling import DrawName
from promptlab.protocols.cross_dataset import transfer
from promptlab.protocols.draw import Val, draw
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import counted, some_of


@checked()
def domain_generalization(
    dataset: Dataset,
    *,
    targets: Sequence[Dataset],
    shots: Shots,
    seed: Seed,
    val: Val = "few",
    rule: DrawName = "coop",
    lists: str | Path | None = None,
) -> Task:
    """The task of CoOp's domain generalisation tables.

    A target's classes are the source's or a subset of them (ImageNet-A and -R have 200 of 1,000), and only they are in
    the label space. Classes are matched by ``class_keys`` where both datasets have them, else by name, whatever
    its case and with underscores as spaces.

    Args:
        dataset: the source.
        targets: the same classes on shifted images; they have no part in the fit, so one may be added later without
            training again.
        shots: see :func:`promptlab.protocols.draw.draw`, as ``seed`` and ``val``.
        seed: of the draw.
        val: validation images.
        rule: whose draw.
        lists: a folder with published lists of a draw's images, in place of ``rule``.

    Raises:
        DatasetError: without a target, if one is given twice or is the source, or has classes that the source hasn't.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> source, target = demo_dataset("demo_shapes"), demo_dataset("demo_shapes_sketch")
        >>> task = domain_generalization(source, targets=[target], shots=2, seed=1)
        >>> [part.name for part in task.evaluations]
        ['demo_shapes', 'demo_shapes_sketch']
    """
    drawn = draw(dataset, shots=shots, seed=seed, val=val, rule=rule, lists=lists)
    return transfer("domain_generalization", dataset, drawn, targets, partial(_shifted, dataset))


def _shifted(source: Dataset, target: Dataset) -> EvaluationSet:
    """A target's test images under the source's names and template."""
    known = _matched(source, target)
    names = tuple(source.class_names[label] for label in known)
    return EvaluationSet(target.name, target.name, target.test, names, source.template, known=known)


def _matched(source: Dataset, target: Dataset) -> tuple[int, ...]:
    """For each class of the target its index among the source's."""
    by_key = bool(source.class_keys and target.class_keys)
    ours = source.class_keys if by_key else source.class_names
    theirs = target.class_keys if by_key else target.class_names
    if not by_key and len(set(ours)) < len(ours):
        twice = sorted({name for name in ours if ours.count(name) > 1})
        raise DatasetError(f"classes of {source.name} can't be matched by name: {some_of(twice)} name several")
    label_of = {name: label for label, name in enumerate(ours)}
    if not by_key:
        theirs = _spelled_as(ours, theirs)
    missing = [name for name in theirs if name not in label_of]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise DatasetError(
            f"domain_generalization: {counted(len(missing), 'class')} of {target.name} {are} not among those of "
            f"{source.name}: {some_of(missing)}; protocol=cross_dataset scores datasets with classes of their own"
        )
    known = tuple(label_of[name] for name in theirs)
    if len(set(known)) < len(known):
        twice = sorted({name for name in theirs if theirs.count(name) > 1})
        raise DatasetError(f"domain_generalization: {target.name} has several classes {some_of(twice)}")
    return known


def _spelled_as(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Names as the source spells them, where one of its names differs in spelling alone."""
    alike: dict[str, list[str]] = {}
    for name in ours:
        alike.setdefault(spelling(name), []).append(name)
    same = {name: [name] if name in ours else alike.get(spelling(name), []) for name in theirs}
    return tuple(same[name][0] if len(same[name]) == 1 else name for name in theirs)
