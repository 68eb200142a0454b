"""The tests that every protocol passes, for protocols of promptlab and of others.

A plug-in inherits them in three lines::

    from promptlab.protocols.contract import ProtocolContract

    class TestMine(ProtocolContract):
        protocol = my_protocol

They need no pytest at run time: each is a method that raises AssertionError. ``arguments`` are the protocol's own
options for the tests; one that scores other datasets is offered ``targets``.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from promptlab.data.items import Dataset, Items
from promptlab.protocols.task import EvaluationSet, OpenWorld, Task, Unknown
from promptlab.support.arrays import IntArray
from promptlab.support.signatures import accepted
from promptlab.support.words import counted, some_of

NAMES = ("red star", "blue circle", "green moon", "white cross", "pink arrow", "yellow ring", "orange heart")


class ProtocolContract:
    """Label spaces, no image on both sides, what trains said rightly, draws that follow the seed and nothing else.

    Attributes:
        protocol: makes a Task of a dataset.
        arguments: its options for the tests.
    """

    protocol: ClassVar[Callable[..., Task]]
    arguments: ClassVar[Mapping[str, Any]] = {}

    def dataset(self) -> Dataset:
        """What the tests train on: seven classes of drawn pictures."""
        return miniature("miniature")

    def task(self, **changes: Any) -> Task:
        """The protocol's Task of two shots, seed 1, unless the changes say otherwise."""
        protocol = type(self).protocol  # of the class: a plain function would come with self otherwise
        offers = {"targets": [miniature("shifted")]}
        given = accepted(protocol, offers) | {"shots": 2, "seed": 1, **self.arguments, **changes}
        return protocol(self.dataset(), **given)

    def test_training_labels_index_the_class_names(self) -> None:
        """Labels of training and validation items are from 0, below the number of known classes.

        Why: the learner scores ``class_names``, so a label is a column of its logits.
        """
        task = self.task()
        assert len(task.train), "nothing trains"
        _check_labels("training", task.train, task.class_names)
        if task.val is not None:
            assert len(task.val), "val is empty: say None"
            _check_labels("validation", task.val, task.class_names)

    def test_has_images_says_which_classes_train(self) -> None:
        """``has_images`` is true of the classes that training items are of, and of no other.

        Why: learners treat classes that are known by name alone apart; SHIP makes up features for them.
        """
        task = self.task()
        assert len(task.has_images) == len(task.class_names), "has_images needs one word per known class"
        said, there = {label for label, has in enumerate(task.has_images) if has}, set(task.train.labels.tolist())
        wrong = [task.class_names[label] for label in sorted(said ^ there)]
        assert not wrong, f"has_images and the training labels disagree on {some_of(wrong)}"

    def test_validation_is_of_classes_that_train(self) -> None:
        """Validation images are of classes with training images, and none of them trains.

        Why: what is chosen on images of new classes has seen what it will be tested on.
        """
        for val in ("few", "full"):
            task = self.task(val=val)
            if task.val is None:
                continue
            foreign = {task.class_names[label] for label in set(task.val.labels) - set(task.train.labels)}
            assert not foreign, f"val={val} holds images of classes that don't train: {some_of(sorted(foreign))}"
            shared = set(task.val.content_ids()) & set(task.train.content_ids())
            assert not shared, f"{counted(len(shared), 'validation image trains', 'validation images train')}"
        assert self.task(val="none").val is None, "val=none gives validation images all the same"

    def test_no_tested_image_trains_or_chooses(self) -> None:
        """No image of an evaluation is a training image, or a validation image unless the dataset's are the same.

        Why: a score on images that were learned says nothing.
        """
        task, dataset = self.task(shots="all", val="full"), self.dataset()
        sides = {"training": task.train} | ({} if task.val is None or dataset.val_is_test else {"validation": task.val})
        unknown = () if task.open_world is None else task.open_world.unknowns
        named = [(part.name, part.items) for part in task.evaluations] + [
            (part.dataset, part.items) for part in unknown
        ]
        for name, of_test in named:
            tested = set(of_test.content_ids())
            for side, items in sides.items():
                shared = tested & set(items.content_ids())
                one, more = f"image of {name} is a", f"images of {name} are"
                said = f"{side} image too" if len(shared) == 1 else f"{side} images too"
                assert not shared, f"{counted(len(shared), one, more)} {said}"

    def test_evaluations_have_a_name_images_and_a_label_space(self) -> None:
        """Evaluations have names of their own, images, class names, a template, and labels that index the names.

        Why: a Result files scores by these names, and column c of the logits is class c.
        """
        task = self.task()
        names = [evaluation.name for evaluation in task.evaluations]
        assert names, "nothing is scored"
        assert len(set(names)) == len(names), f"two evaluations have one name: {', '.join(names)}"
        for evaluation in task.evaluations:
            assert len(evaluation.items), f"{evaluation.name} has no images"
            _check_labels(evaluation.name, evaluation.items, evaluation.class_names)
            assert "{}" in evaluation.template, f"the template of {evaluation.name} has no {{}}"

    def test_known_indices_mean_the_same_classes(self) -> None:
        """``known`` has, for each class of an evaluation, the place of the same name among the known ones; or is None.

        Why: the learner's columns are chosen by it; a wrong place scores another class.
        """
        task = self.task()
        for evaluation in task.evaluations:
            if evaluation.known is None:
                continue
            named = tuple(task.class_names[label] for label in evaluation.known)
            assert named == evaluation.class_names, (
                f"known of {evaluation.name} means {some_of(named)}; its classes are {some_of(evaluation.class_names)}"
            )
            distinct = len(set(evaluation.known)) == len(evaluation.known)
            assert distinct, f"known of {evaluation.name} names a class twice"

    def test_what_is_combined_is_scored(self) -> None:
        """``harmonic``, ``seen_unseen`` and ``open_world`` name evaluations that are there and fit each other.

        Why: H, the curve and OpenworldAUC are made of two scores. Those of the curve are over the same classes, split
        by ``is_unseen``; near unknowns are the images of the evaluation that classifies them.
        """
        task = self.task()
        scored = {evaluation.name: evaluation for evaluation in task.evaluations}
        for name in task.harmonic or ():
            assert name in scored, f"harmonic names {name}; scored are {', '.join(scored)}"
        if task.open_world is not None:
            _check_open_world(task.open_world, scored)
        curve = task.seen_unseen
        if curve is None:
            return
        assert {curve.seen, curve.unseen} <= scored.keys(), f"seen_unseen names what isn't scored: {curve}"
        seen, unseen = scored[curve.seen], scored[curve.unseen]
        assert seen.class_names == unseen.class_names, "seen and unseen images are scored over different classes"
        assert len(curve.is_unseen) == len(seen.class_names), "is_unseen needs one word per class"
        for evaluation, wanted in ((seen, False), (unseen, True)):
            wrong = {label for label in evaluation.items.labels.tolist() if curve.is_unseen[label] != wanted}
            assert not wrong, f"{evaluation.name} has images of classes of which is_unseen says {not wanted}"

    def test_same_seed_same_task(self) -> None:
        """The same dataset and seed give the same items in the same order, whatever the global random states are.

        Why: fit ids follow from the seed, and finished runs are found by them.
        """
        states = random.getstate(), np.random.get_state()
        tasks = []
        for state in (1, 2):
            random.seed(state)
            np.random.seed(state)
            tasks.append(_fingerprint(self.task()))
        random.setstate(states[0])
        np.random.set_state(states[1])
        assert tasks[0] == tasks[1], "the same seed gives another task"

    def test_another_seed_draws_other_images(self) -> None:
        """Another seed trains on other images of as many, and scores the same ones.

        Why: intervals over seeds are intervals over draws.
        """
        one, two = self.task(seed=1), self.task(seed=2)
        assert len(one.train) == len(two.train), "another seed draws another number of images"
        assert set(one.train.content_ids()) != set(two.train.content_ids()), "every seed draws the same images"
        scored = [[_of(evaluation) for evaluation in task.evaluations] for task in (one, two)]
        assert scored[0] == scored[1], "what is scored changes with the seed"


class _Pictures:
    """Small pictures of noise, each drawn from its name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def __len__(self) -> int:
        return len(self.names)

    def open(self, index: int) -> Image.Image:
        stream = np.random.default_rng(list(self.names[index].encode()))
        return Image.fromarray(stream.integers(0, 256, (8, 8, 3), dtype=np.uint8))

    def describe(self, index: int) -> str:
        return self.names[index]

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        return [hashlib.sha256(self.names[int(index)].encode()).hexdigest()[:32] for index in indices]


def miniature(name: str) -> Dataset:
    """Seven classes of drawn pictures; under another name the same classes in other pictures.

    Example:
        >>> len(miniature("mine").train), miniature("mine").class_names[0]
        (56, 'red star')
    """
    return Dataset(
        name,
        NAMES,
        "a photo of a {}.",
        train=_drawn(name, "train", 8),
        val=_drawn(name, "val", 5),
        test=_drawn(name, "test", 4),
        split_source="drawn",
        split_hash=name,
    )


def _drawn(name: str, split: str, count: int) -> Items:
    """So many pictures of each class."""
    labels = np.repeat(np.arange(len(NAMES)), count)
    pictures = _Pictures([f"{name}/{split}/{NAMES[label]}/{place}" for place, label in enumerate(labels)])
    return Items(pictures, np.arange(len(labels)), labels)


def _check_open_world(wanted: OpenWorld, scored: Mapping[str, EvaluationSet]) -> None:
    for name in (wanted.known, wanted.new):
        assert name in scored, f"open_world names {name}; scored are {', '.join(scored)}"
    assert all(len(part.items) for part in wanted.unknowns), "some unknowns of open_world have no images"
    near = [part.items.content_ids() for part in wanted.unknowns if part.kind == "near"]
    same = near == [scored[wanted.new].items.content_ids()]
    assert same, f"the near unknowns are not the images of {wanted.new}"


def _check_labels(what: str, items: Items, names: Sequence[str]) -> None:
    low, high = int(items.labels.min()), int(items.labels.max())
    assert low >= 0, f"{what} items have label {low}"
    assert high < len(names), f"{what} items have label {high}; there are classes 0 to {len(names) - 1}"


def _of(evaluation: EvaluationSet | Unknown) -> tuple[Any, ...]:
    """An evaluation, or some unknowns, as values that can be compared."""
    items = evaluation.items
    return (replace(evaluation, items=_NOTHING), items.content_ids(), items.labels.tolist())


def _fingerprint(task: Task) -> tuple[Any, ...]:
    """A Task as values that can be compared."""
    train, val = [(items.content_ids(), items.labels.tolist()) for items in (task.train, task.val or _NOTHING)]
    rest = replace(task, train=_NOTHING, val=None, evaluations=(), open_world=None)
    world, unknown = task.open_world, () if task.open_world is None else task.open_world.unknowns
    told = None if world is None else replace(world, unknowns=())
    return (rest, told, train, val, [_of(part) for part in task.evaluations], [_of(part) for part in unknown])


_NOTHING = Items(_Pictures(()), np.arange(0), np.arange(0))
