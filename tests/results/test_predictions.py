import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from promptlab.evaluation.metrics import evaluate_scores, top_predictions
from promptlab.results.content_ids import pack_content_ids
from promptlab.results.document import ResultError
from promptlab.results.predictions import (
    Predictions,
    predictions_name,
    read_predictions,
    write_predictions,
)

IDS = [f"{position:032x}" for position in range(6)]
ARRAYS = ("labels", "top_ids", "top_probabilities", "image_ids")


def make_predictions(c=7, n=6):
    logits = torch.randn(n, c, generator=torch.Generator().manual_seed(0))
    ids, probabilities = top_predictions(logits)
    return Predictions(
        evaluation="new",
        eval_id="0123456789abcdef",
        class_names=tuple(f"class {label}" for label in range(c)),
        labels=np.arange(n, dtype=np.int32) % c,
        top_ids=ids.numpy().astype(np.int32),
        top_probabilities=probabilities.numpy(),
        image_ids=pack_content_ids(IDS[:n]),
    )


def same(one, other):
    return (one.evaluation, one.eval_id, one.class_names) == (
        other.evaluation,
        other.eval_id,
        other.class_names,
    ) and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


@pytest.mark.parametrize(("c", "n"), [(7, 6), (3, 6), (1, 2), (7, 0)])
def test_round_trip(tmp_path, c, n):
    predictions = make_predictions(c, n)
    path = write_predictions(tmp_path, predictions)
    assert path.name == "predictions-new.safetensors"
    again = read_predictions(path)
    assert same(again, predictions)
    assert again.top_ids.shape == (n, min(5, c))
    assert again.content_ids() == IDS[:n]


def test_equal_predictions_give_equal_bytes(tmp_path):
    contents = {write_predictions(tmp_path, make_predictions()).read_bytes() for _ in range(10)}
    assert len(contents) == 1


def test_scores_can_be_computed_from_it_again():
    logits = torch.randn(50, 9, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(50) % 9
    ids, probabilities = top_predictions(logits)
    metrics = evaluate_scores(logits, labels)
    assert (ids[:, 0] == labels).float().mean() == pytest.approx(metrics.top1)
    bins = np.histogram(probabilities[:, 0], bins=metrics.reliability.edges)[0]
    assert tuple(bins) == metrics.reliability.count


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.full(6, 7, np.int32)}, r"labels hold class indices outside \[0, 7\)"),
        ({"labels": np.zeros(6, np.int64)}, "labels must be 1-dimensional int32"),
        ({"labels": np.zeros(5, np.int32)}, r"top_ids must have shape \(5, 5\)"),
        ({"top_ids": np.full((6, 5), -1, np.int32)}, "top_ids hold class indices outside"),
        ({"top_probabilities": np.zeros((6, 4), np.float32)}, r"top_probabilities must have shape \(6, 5\)"),
        ({"top_probabilities": np.full((6, 5), np.nan, np.float32)}, "lie in"),
        ({"top_probabilities": np.tile(np.linspace(0, 0.4, 5, dtype=np.float32), (6, 1))}, "fall from best"),
        ({"image_ids": np.zeros((6, 8), np.uint8)}, r"image_ids must have shape \(6, 16\)"),
    ],
)
def test_wrong_predictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(make_predictions(), **changes)


@pytest.mark.parametrize("wrong", ["0" * 31, "0" * 30 + "xy", "A" * 32, " " * 32, ""])
def test_content_ids_are_32_hexadecimal_digits(wrong):
    with pytest.raises(ValueError, match="32 lower-case hexadecimal"):
        pack_content_ids([wrong])


def test_names_that_arent_file_names_are_refused():
    with pytest.raises(ValueError, match="can't be part of a path"):
        predictions_name("../new")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_named(tmp_path, keep):
    path = write_predictions(tmp_path, make_predictions())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ResultError, match=r"predictions-new\.safetensors: damaged"):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ResultError, match="nowhere: can't be read"):
        read_predictions(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "has no promptlab metadata"),
        ({"promptlab": "{"}, "Expecting"),
        ({"promptlab": "[]"}, "expected an object"),
        ({"promptlab": '{"schema_version": 1}'}, "evaluation: missing"),
        (
            {"promptlab": '{"schema_version": 3, "evaluation": "a", "eval_id": "b", "class_names": []}'},
            "schema_version: this promptlab reads versions 1 to 2, the file has 3",
        ),
        (
            {"promptlab": '{"schema_version": 2, "evaluation": "a", "eval_id": "b", "class_names": []}'},
            "it has no checksum",
        ),
        (
            {"promptlab": '{"schema_version": 1, "evaluation": "a", "eval_id": "b", "class_names": ["x"]}'},
            "top_ids must have shape",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, metadata, message):
    predictions = make_predictions()
    path = tmp_path / "x.safetensors"
    save_file({name: getattr(predictions, name) for name in ARRAYS}, path, metadata)
    with pytest.raises(ResultError, match=f"x.safetensors: .*{message}"):
        read_predictions(path)


def test_a_missing_tensor_is_named(tmp_path):
    path = tmp_path / "x.safetensors"
    metadata = '{"schema_version": 1, "evaluation": "a", "eval_id": "b", "class_names": []}'
    save_file({"labels": np.zeros(0, np.int32)}, path, {"promptlab": metadata})
    with pytest.raises(ResultError, match=r"x\.safetensors: .*top_ids"):
        read_predictions(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_predictions(tmp_path, make_predictions())

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_predictions(tmp_path, make_predictions(3))
    assert same(read_predictions(path), make_predictions())
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_named_where_they_were_written(tmp_path):
    named = replace(make_predictions(n=2), files=("cat/1.jpg", "Bär/ü.png"))
    again = read_predictions(write_predictions(tmp_path, named))
    assert again.files == named.files
    first = again.rows()[0]
    assert (first["file"], first["label"], first["content_id"]) == ("cat/1.jpg", "class 0", IDS[0])
    assert first["predicted"] == again.class_names[again.top_ids[0, 0]]
    assert [row["file"] for row in make_predictions(n=2).rows()] == [None, None]
    assert repr(again).startswith("Predictions(new: 2 images, 7 classes, ")
    with pytest.raises(ValueError, match="files must name all 2 images, got 1 names"):
        replace(named, files=("cat/1.jpg",))
