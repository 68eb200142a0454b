"""Arrays of pixels are read as files of the same pixels are."""

import numpy as np
import pytest

from promptlab.data.pictures.arrays import picture_of_array
from promptlab.data.pictures.picture import REMARKS
from promptlab.data.pictures.reading import PictureError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS.transpose(2, 0, 1),
        PIXELS / 255,
        (PIXELS / 255).astype(np.float16),
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16) * 257,
        np.concatenate([PIXELS, PIXELS[:, :, :1]], 2),
    ],
    ids=["bytes", "channels first", "floats", "half floats", "whole numbers", "16 bits", "with alpha"],
)
def test_colours(array):
    np.testing.assert_array_equal(np.asarray(picture_of_array(array)), PIXELS)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (1, 6, 5)])
def test_greys(shape):
    grey = PIXELS[:, :, 0]
    picture = np.asarray(picture_of_array(grey.reshape(shape)))
    np.testing.assert_array_equal(picture, np.repeat(grey[:, :, None], 3, 2))


def test_a_shape_that_can_be_read_both_ways():
    square = np.zeros((3, 7, 3), dtype=np.uint8)
    assert picture_of_array(square).size == (7, 3)
    assert picture_of_array(square, channels_first=True).size == (3, 7)


def test_truth_values_are_black_and_white():
    assert np.asarray(picture_of_array(np.array([[True, False]])))[0, :, 0].tolist() == [255, 0]


def test_numbers_with_a_sign_in_eight_bits():
    picture = picture_of_array(np.array([[0, 100, 127, -5]], dtype=np.int8))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 100, 127, 0]


def test_twelve_bits_are_found_and_said():
    picture = picture_of_array(PIXELS.astype(np.uint16) * 16)
    np.testing.assert_array_equal(np.asarray(picture), PIXELS)
    assert picture.info[REMARKS][0].startswith("were read as 12-bit grey by their largest value")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PIXELS[:, :, :2], "shape .6, 5, 2. is no picture"),
        (PIXELS[None], "shape .1, 6, 5, 3. is no picture"),
        (PIXELS[:0], "shape .0, 5, 3. is no picture"),
        (PIXELS * 1.0, "floats from . to 2.., .*Divide them by 255"),
        (np.array([["a"]]), "is no picture: bytes or floats"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(PictureError, match=message):
        picture_of_array(array)
