"""A published draw in place of a rule: its images train, and it is told from others."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from promptlab.demo.datasets import demo_dataset
from promptlab.protocols import base_to_new, cross_dataset, domain_generalization, few_shot, open_world
from promptlab.results.ids import items_digest
from promptlab.support.errors import DatasetError, UsageError


@pytest.fixture(scope="module")
def dataset():
    return demo_dataset("demo_textures")


def written(folder, **parts):
    """Lists of shot_2-seed_1 of these items."""
    for part, items in parts.items():
        rows = [
            {"_impath": f"data/{items.source.describe(index)}", "_label": label}
            for index, label in zip(items.indices.tolist(), items.labels.tolist(), strict=True)
        ]
        (folder / f"shot_2-seed_1_{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def transferred(protocol):
    """It with a target of the same classes."""
    return partial(protocol, targets=[replace(demo_dataset("demo_textures"), name="elsewhere")])


@pytest.mark.parametrize(
    "protocol",
    [few_shot, base_to_new, open_world, transferred(cross_dataset), transferred(domain_generalization)],
)
def test_the_listed_images_train_and_validate(dataset, tmp_path, protocol):
    """CoOp's own draw as lists is CoOp's task, noted; in another order it is another fit."""
    drawn, own = few_shot(dataset, shots=2, seed=1), protocol(dataset, shots=2, seed=1)
    task = protocol(dataset, shots=2, seed=1, lists=written(tmp_path, train=drawn.train, val=drawn.val))
    for found, expected in ((task.train, own.train), (task.val, own.val)):
        assert found.indices.tolist() == expected.indices.tolist()
        assert found.labels.tolist() == expected.labels.tolist()
    (note,) = [note for note in task.notes if note.startswith("draw:")]
    assert f"shot_2-seed_1 of the lists in {tmp_path.name} (sha256 " in note
    turned = written(tmp_path, train=drawn.train.take(np.arange(len(drawn.train))[::-1]))
    other = protocol(dataset, shots=2, seed=1, lists=turned, val="none")
    assert other.val is None
    digests = {items_digest(each.train.content_ids(), each.train.labels) for each in (task, other)}
    assert len(digests) == 2  # which is part of the fit's id


def test_what_lists_rule_out(dataset, tmp_path):
    for arguments, said in (
        ({"shots": "all"}, "of a number of shots"),
        ({"val": "shots"}, "use val=few, full or none"),
        ({"rule": "repeated"}, "leave out rule and draw"),
        ({"draw": "natural"}, "leave out rule and draw"),
    ):
        with pytest.raises(UsageError, match=said):
            few_shot(dataset, **{"shots": 2, "seed": 1, "lists": tmp_path, **arguments})


def test_without_a_validation_list_none_can_be_asked_for(dataset, tmp_path):
    drawn = few_shot(dataset, shots=2, seed=1)
    folder = written(tmp_path, train=drawn.train)
    with pytest.raises(DatasetError, match=r"shot_2-seed_1_val.jsonl can't be read"):
        few_shot(dataset, shots=2, seed=1, lists=folder)
    assert len(few_shot(dataset, shots=2, seed=1, lists=folder, val="full").val) == len(dataset.val)
