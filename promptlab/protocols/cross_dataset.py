"""Cross-dataset transfer: train on one dataset, score on others with their own class names and templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from promptlab.data.amounts import Seed, Shots
from promptlab.data.checks.labels import refuse_single_class
from promptlab.data.checks.names import with_names_noted
from promptlab.data.items import Dataset
from promptlab.data.readers.tested import with_test
from promptlab.data.sampling import DrawName
from promptlab.protocols.draw import Draw, Val, draw
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.support.errors import DatasetError, UsageError
from promptlab.support.ranges import checked


class TargetsError(DatasetError, UsageError):
    """Targets that no run of the protocol can have, whatever their files hold; the message names what is wrong."""


@checked()
def cross_dataset(
    dataset: Dataset,
    *,
    targets: Sequence[Dataset],
    shots: Shots,
    seed: Seed,
    val: Val = "few",
    rule: DrawName = "coop",
    lists: str | Path | None = None,
) -> Task:
    """The task of CoCoOp's cross-dataset tables: the source's test images, and all of each target's.

    Of a target whose split promptlab drew, all images are scored, since none of them trains.

    Args:
        dataset: the source.
        targets: scored with all their test images over their own classes; they have no part in the fit, so one may be
            added later without training again.
        shots: see :func:`promptlab.protocols.draw.draw`, as ``seed`` and ``val``.
        seed: of the draw.
        val: validation images.
        rule: whose draw.
        lists: a folder with published lists of a draw's images, in place of ``rule``.

    Raises:
        DatasetError: without a target, or if one is given twice, is the source, or has one class.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> source, target = demo_dataset("demo_shapes"), demo_dataset("demo_textures")
        >>> task = cross_dataset(source, targets=[target], shots=2, seed=1)
        >>> [(part.name, part.known is None) for part in task.evaluations]
        [('demo_shapes', False), ('demo_textures', True)]
    """
    drawn = draw(dataset, shots=shots, seed=seed, val=val, rule=rule, lists=lists)
    return transfer("cross_dataset", dataset, drawn, targets, _of_its_own)


def transfer(
    protocol: str,
    dataset: Dataset,
    drawn: Draw,
    targets: Sequence[Dataset],
    scored_as: Callable[[Dataset], EvaluationSet],
) -> Task:
    """Train on all classes of a dataset, score its test images and each target's.

    Args:
        protocol: its name.
        dataset: the source.
        drawn: what trains of it.
        targets: the other datasets.
        scored_as: a target's label space, names and template.

    Raises:
        DatasetError: without a target, or if one is given twice or is the source.
    """
    check_targets(protocol, dataset, targets)
    classes = tuple(range(len(dataset.class_names)))
    source = EvaluationSet(
        dataset.name, dataset.name, dataset.test, dataset.class_names, dataset.template, known=classes
    )
    targets = [with_test(target, "all") if target.drawn else target for target in targets]
    of_targets = [
        f"{what} of {target.name}: {said}"
        for target in map(with_names_noted, targets)
        for what, said in (
            ("split", f"{target.split_source} ({target.split_hash})"),
            *(("note", note) for note in target.notes),
        )
    ]
    return Task(
        protocol=protocol,
        dataset=dataset.name,
        class_names=dataset.class_names,
        has_images=drawn.has_images(len(classes)),
        template=dataset.template,
        train=drawn.train,
        val=drawn.val,
        evaluations=(*([source] if len(dataset.test) else []), *map(scored_as, targets)),
        notes=(*drawn.notes, *of_targets),
        training_notes=drawn.training_notes,
    )


def _of_its_own(target: Dataset) -> EvaluationSet:
    return EvaluationSet(target.name, target.name, target.test, target.class_names, target.template, known=None)


def check_targets(protocol: str, source: Dataset, targets: Sequence[Dataset]) -> None:
    """Make sure that there are targets, each once, and none is the source.

    Args:
        protocol: its name, for messages.
        source: what trains.
        targets: the other datasets.

    Raises:
        TargetsError: naming what is wrong.
        DatasetError: for a target with a single class.
    """
    names = [target.name for target in targets]
    if not names:
        raise TargetsError(f"{protocol} needs targets: protocol.targets=[NAME,...], names of `promptlab list datasets`")
    for target in targets:
        refuse_single_class(target.class_names, f"{protocol}: target {target.name}", target.class_origins)
    for name in names:
        if name == source.name or names.count(name) > 1:
            reason = "is the source, which is scored anyway" if name == source.name else "is there twice"
            raise TargetsError(f"{protocol}: target {name} {reason}")
