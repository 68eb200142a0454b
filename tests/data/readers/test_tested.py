"""Which images are tested, said for every kind of dataset of one's own; and what is drawn can be taken whole."""

import json
from dataclasses import replace

import datasets
import numpy as np
import pytest

from promptlab.data import read_csv, read_features, read_hf, read_json
from promptlab.protocols import cross_dataset, domain_generalization, few_shot
from promptlab.support.errors import DatasetError
from tests.helpers.every_dataset import paint, picture
from tests.helpers.tasks import shapes

KINDS = ("cat", "dog")


def counts(data):
    return len(data.train), len(data.val), len(data.test)


def listed(folder, **splits):
    """(split, path, class) of pictures of two classes, written."""
    rows = [(split, f"{kind}/{split}{number}.png", kind) for split, count in splits.items() for kind in KINDS
            for number in range(count)]  # fmt: skip
    paint([folder / path for _, path, _ in rows])
    return rows


def as_csv(folder, **splits):
    rows = listed(folder, **splits)
    lines = [
        f"{path},{kind},{split}" if len(splits) > 1 or "test" in splits else f"{path},{kind}"
        for split, path, kind in rows
    ]
    columns = "path,label,split" if lines[0].count(",") == 2 else "path,label"
    (folder / "mine.csv").write_text("\n".join([columns, *lines]))
    return lambda **more: read_csv("csv", folder / "mine.csv", **more)


def as_json(folder, **splits):
    rows = listed(folder, **splits)
    lists = {
        s: [[path, KINDS.index(kind), kind] for of, path, kind in rows if of == s] for s in ("train", "val", "test")
    }
    (folder / "mine.json").write_text(json.dumps(lists))
    return lambda **more: read_json("json", folder / "mine.json", **more)


def as_hf(folder, **splits):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(KINDS))})
    place, parts = 0, {}
    for split, count in splits.items():
        columns = {"image": [picture(place + i) for i in range(2 * count)], "label": [0, 1] * count}
        parts[split], place = datasets.Dataset.from_dict(columns, features=features), place + 2 * count
    datasets.DatasetDict(parts).save_to_disk(folder / "mine")
    return lambda **more: read_hf("hf", str(folder / "mine"), **more)


@pytest.mark.parametrize("kind", [as_csv, as_json, as_hf])
@pytest.mark.parametrize(("test", "expected"), [("all", (0, 0, 12)), ("none", (6, 2, 0)), ("val", (6, 0, 2))])
def test_lists_with_splits(kind, test, expected, tmp_path):
    data = kind(tmp_path, train=3, val=1, test=2)(test=test)
    assert (counts(data), data.name, data.class_names) == (expected, "mine", KINDS)


@pytest.mark.parametrize("kind", [as_csv, as_hf])
@pytest.mark.parametrize(("test", "expected"), [("all", (0, 0, 10)), ("none", (10, 0, 0)), (None, (4, 2, 4))])
def test_one_list(kind, test, expected, tmp_path):
    data = kind(tmp_path, train=5)(test=test)
    assert (counts(data), data.drawn) == (expected, test is None)


@pytest.mark.parametrize("kind", [as_csv, as_json, as_hf])
def test_test_images_alone(kind, tmp_path):
    assert counts(kind(tmp_path, test=3)()) == (0, 0, 6)


@pytest.mark.parametrize("kind", [as_csv, as_json, as_hf])
def test_training_images_alone(kind, tmp_path):
    read = kind(tmp_path, train=3, val=1)
    assert counts(read(test="none")) == (6, 2, 0)
    assert counts(read(test="val")) == (6, 0, 2)
    with pytest.raises(DatasetError, match=r"test"):
        read()


def test_features_without_a_test_file(tmp_path):
    values = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", features=values, labels=[0, 0, 1, 1], class_names=["cat", "dog"])
    data = read_features(train=tmp_path / "mine.npz", test="none")
    assert (counts(data), data.name) == ((4, 0, 0), "mine")
    with pytest.raises(DatasetError, match=r"dataset\.test=none to learn without scoring"):
        read_features(train=tmp_path / "mine.npz", test=None)


@pytest.mark.parametrize("kind", [as_csv, as_hf])
def test_a_target_is_scored_whole_where_a_draw_chose_its_test_images(kind, tmp_path):
    target = kind(tmp_path, train=5)()
    task = cross_dataset(shapes(), targets=[target], shots=1, seed=1)
    assert len(task.evaluations[1].items) == 10
    assert sorted(task.evaluations[1].items.content_ids()) == sorted(
        target.train.content_ids() + target.val.content_ids() + target.test.content_ids()
    )
    assert any("split of mine: all images are test images" in note for note in task.notes)


def test_a_target_with_a_test_list_of_its_own_is_scored_by_it(tmp_path):
    target = as_csv(tmp_path, train=3, val=1, test=2)()
    assert len(cross_dataset(shapes(), targets=[target], shots=1, seed=1).evaluations[1].items) == 4


@pytest.mark.parametrize("protocol", [few_shot, cross_dataset])
def test_training_images_alone_make_a_task(protocol, tmp_path):
    data = as_csv(tmp_path, train=3, val=1)(test="none")
    targets = {"targets": [shapes()]} if protocol is cross_dataset else {}
    task = protocol(data, shots=1, seed=1, **targets)
    assert (len(task.train), [part.name for part in task.evaluations]) == (2, ["demo_shapes"] if targets else [])
    assert "mine has no test images: nothing of it is scored" in task.notes


def test_shifted_classes_may_be_spelled_otherwise(tmp_path):
    source = as_csv(tmp_path / "s", train=5)()
    target = as_csv(tmp_path / "t", train=5)(class_names=["CAT", "Dog"])
    (_, shifted) = domain_generalization(source, targets=[replace(target, name="shifted")], shots=1, seed=1).evaluations
    assert (shifted.class_names, shifted.known) == (KINDS, (0, 1))
