"""All logits of a run: what is kept of them, and what a reader refuses."""

from dataclasses import replace

import numpy as np
import pytest

from promptlab.results.document import ResultError
from promptlab.results.logits import logits_of_arrays, read_logits, write_logits

NAMES = ("cat", "dog", "eel")
GIVEN = np.array([[20.0, 20.001, -3.0], [31.25, 7.5, 31.0]], dtype=np.float32)


def kept(logits=GIVEN, **changes):
    made = logits_of_arrays(logits, [1, 2], NAMES, ["00" * 16, "ab" * 16], "base", "0" * 16)
    return replace(made, **changes)


def test_they_come_back_in_half_the_bytes_with_the_order_of_the_best(tmp_path):
    found = read_logits(write_logits(tmp_path, kept()))
    assert found.below.dtype == np.float16
    assert np.allclose(found.logits, GIVEN, rtol=0, atol=0.02)
    assert (found.logits.argmax(axis=1) == GIVEN.argmax(axis=1)).all()  # 16 bits of 20.001 alone would be a draw
    assert found.class_names == NAMES
    assert found.labels.tolist() == [1, 2]
    assert found.content_ids() == ["00" * 16, "ab" * 16]


def test_probabilities_are_those_of_a_softmax_at_any_temperature():
    softmax = np.exp(GIVEN / 2) / np.exp(GIVEN / 2).sum(axis=1, keepdims=True)
    assert kept().probabilities(temperature=2.0) == pytest.approx(softmax, abs=2e-3)


def test_equal_logits_are_equal_bytes(tmp_path):
    first, second = write_logits(tmp_path, kept()).read_bytes(), write_logits(tmp_path, kept()).read_bytes()
    assert first == second


def test_what_is_far_below_is_kept_as_far_as_it_can_be():
    found = kept(np.array([[0.0, -1e6, 1.0], [0.0, 1.0, 2.0]]))
    assert np.isfinite(found.logits).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="no finite numbers"):
        kept(np.array([[wrong, 0, 0], [0, 1, 2]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0, 3], dtype=np.int32)}, "class indices outside"),
        ({"best": np.zeros(2)}, "best must be"),
        ({"below": np.full((2, 3), -1, dtype=np.float16)}, "one 0 an image"),
    ],
)
def test_what_they_can_not_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        kept(**change)


def test_a_flipped_bit_is_refused(tmp_path):
    path = write_logits(tmp_path, kept())
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ResultError, match=r"logits-base.safetensors: damaged"):
        read_logits(path)
    with pytest.raises(ResultError, match="can't be read"):
        read_logits(tmp_path / "logits-new.safetensors")
