"""Every protocol passes the contract, and the contract catches what it says it catches."""

import inspect
import random
from dataclasses import replace

import pytest

from promptlab import protocols
from promptlab.protocols import few_shot
from promptlab.protocols.contract import ProtocolContract, miniature
from promptlab.protocols.task import EvaluationSet, OpenWorld, SeenUnseen, Unknown

OPTIONS = {
    "base_to_new": [{}, {"joint": True}],
    "cross_dataset": [{}],
    "domain_generalization": [{}],
    "few_shot": [{}, {"draw": "natural"}, {"draw": "long_tail", "imbalance": 2}],
    "generalized_zero_shot": [{}, {"calibrate": True}, {"split": "development"}],
    "open_world": [{}, {"targets": []}],
}
"""Each protocol with the options that it is tested under; a new one needs a line."""
OFFERED = [name for name in protocols.__all__ if not inspect.isclass(getattr(protocols, name))]
TESTS = [name for name in vars(ProtocolContract) if name.startswith("test_")]


def contract(protocol, **arguments):
    return type("Check", (ProtocolContract,), {"protocol": staticmethod(protocol), "arguments": arguments})()


def test_every_protocol_that_is_offered_has_an_entry():
    assert sorted(OPTIONS) == sorted(OFFERED)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, several in OPTIONS.items() for options in several]
)
def test_every_protocol_passes(name, options, test):
    getattr(contract(getattr(protocols, name), **options), test)()


def with_evaluation(task, **changes):
    return replace(task, evaluations=(replace(task.evaluations[0], **changes),))


def unknown_in(task, *unknowns):
    return OpenWorld(task.evaluations[0].name, task.evaluations[0].name, unknowns, "msp", 1.0)


def broken(dataset, *, shots, seed, val="few", fault):
    """Few-shot with something wrong."""
    task = few_shot(dataset, shots=shots, seed=1 if fault == "one draw" else seed, val=val)
    test = task.evaluations[0]
    names, half = task.class_names, range(3)
    makes = {
        "labels": lambda: replace(task, class_names=names[:3]),
        "nothing trains": lambda: replace(task, train=task.train.take([])),
        "has_images": lambda: replace(task, train=task.train.only(half)),
        "has_images short": lambda: replace(task, has_images=(True,)),
        "val of others": lambda: replace(task, train=task.train.only(half)),
        "val trains": lambda: replace(task, val=task.train),
        "val anyway": lambda: replace(task, val=task.val or dataset.val),
        "test trains": lambda: with_evaluation(task, items=dataset.train),
        "test chooses": lambda: with_evaluation(task, items=dataset.val),
        "no images": lambda: with_evaluation(task, items=test.items.take([])),
        "labels of test": lambda: with_evaluation(task, class_names=names[:3]),
        "two of a name": lambda: replace(task, evaluations=(test, test)),
        "no template": lambda: with_evaluation(task, template="a photo"),
        "known": lambda: with_evaluation(task, known=tuple(reversed(test.known))),
        "harmonic": lambda: replace(task, harmonic=("test", "new")),
        "curve": lambda: replace(task, seen_unseen=SeenUnseen("test", "unseen", (False,) * 7)),
        "is_unseen": lambda: replace(task, evaluations=(test, replace(test, name="unseen")),
                                     seen_unseen=SeenUnseen("test", "unseen", (False,) * 7)),
        "unknown trains": lambda: replace(task, open_world=unknown_in(task, Unknown("far", "it", dataset.train))),
        "known of nothing": lambda: replace(task, open_world=replace(unknown_in(task), known="base")),
        "near of others": lambda: replace(
            task, open_world=unknown_in(task, Unknown("near", "it", test.items.take([0])))
        ),
        "global random state": lambda: replace(task, train=task.train.take([random.randrange(len(task.train))] * 2)),
        "another test": lambda: with_evaluation(task, items=test.items.take(range(seed, len(test.items)))),
    }  # fmt: skip
    return makes.get(fault, lambda: task)()


@pytest.mark.parametrize(
    ("fault", "test", "message"),
    [
        ("labels", "training_labels_index_the_class_names", "training items have label 6; there are classes 0 to 2"),
        ("nothing trains", "training_labels_index_the_class_names", "nothing trains"),
        ("has_images", "has_images_says_which_classes_train", "disagree on white cross, pink arrow"),
        ("has_images short", "has_images_says_which_classes_train", "one word per known class"),
        ("val of others", "validation_is_of_classes_that_train", "images of classes that don't train: orange heart"),
        ("val trains", "validation_is_of_classes_that_train", "14 validation images train"),
        ("val anyway", "validation_is_of_classes_that_train", "val=none gives validation images"),
        ("test trains", "no_tested_image_trains_or_chooses", "56 images of test are training images too"),
        ("test chooses", "no_tested_image_trains_or_chooses", "35 images of test are validation images too"),
        ("no images", "evaluations_have_a_name_images_and_a_label_space", "test has no images"),
        ("labels of test", "evaluations_have_a_name_images_and_a_label_space", "test items have label 6"),
        ("two of a name", "evaluations_have_a_name_images_and_a_label_space", "two evaluations have one name"),
        ("no template", "evaluations_have_a_name_images_and_a_label_space", "the template of test has no {}"),
        ("known", "known_indices_mean_the_same_classes", "known of test means orange heart"),
        ("harmonic", "what_is_combined_is_scored", "harmonic names new; scored are test"),
        ("curve", "what_is_combined_is_scored", "seen_unseen names what isn't scored"),
        ("is_unseen", "what_is_combined_is_scored", "unseen has images of classes of which is_unseen says False"),
        ("unknown trains", "no_tested_image_trains_or_chooses", "56 images of it are training images too"),
        ("known of nothing", "what_is_combined_is_scored", "open_world names base; scored are test"),
        ("near of others", "what_is_combined_is_scored", "the near unknowns are not the images of test"),
        ("global random state", "same_seed_same_task", "the same seed gives another task"),
        ("one draw", "another_seed_draws_other_images", "every seed draws the same images"),
        ("another test", "another_seed_draws_other_images", "what is scored changes with the seed"),
    ],
)
def test_the_contract_catches(fault, test, message):
    with pytest.raises(AssertionError) as caught:
        getattr(contract(broken, fault=fault), f"test_{test}")()
    assert message in str(caught.value)


def test_targets_are_offered_to_protocols_that_take_them():
    names = [evaluation.name for evaluation in contract(protocols.cross_dataset).task().evaluations]
    assert names == ["miniature", "shifted"]
    assert isinstance(contract(few_shot).task().evaluations[0], EvaluationSet)


def test_the_miniature_is_a_dataset_like_others():
    from promptlab.data.contract import DatasetContract

    check = type("Check", (DatasetContract,), {"dataset": staticmethod(lambda: miniature("mine"))})()
    for test in vars(DatasetContract):
        if test.startswith("test_"):
            getattr(check, test)()
