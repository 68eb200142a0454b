"""What grey values of more than 8 bits become: the same 256 greys, whatever range a file holds them in."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from promptlab.data.pictures.greys import grey_of_floats, grey_of_numbers
from promptlab.data.pictures.identity import content_id, picture_id
from promptlab.data.pictures.picture import REMARKS, as_rgb, open_picture
from promptlab.data.pictures.reading import PictureError, Reading
from tests.data.pictures.greys import GREYS, packed12, saved, tiff


def guessed(bits, room):
    return (f"were read as {bits}-bit grey by their largest value (set grey_bits={room} if they are dark)",)


BY_12_BITS = guessed(12, 16)
FILES = {
    "8 bits": (saved(GREYS.astype(np.uint8), "PNG"), ()),
    "16 bits": (saved((GREYS * 257).astype(np.uint16)), ()),
    "16 bits, PNG": (saved((GREYS * 257).astype(np.uint16), "PNG"), ()),
    "12 in 16": (saved((GREYS * 16).astype(np.uint16)), BY_12_BITS),
    "12 in 16, PNG": (saved((GREYS * 16).astype(np.uint16), "PNG"), BY_12_BITS),
    "8 in 16": (saved(GREYS.astype(np.uint16)), guessed(8, 16)),
    "12, packed": (tiff(packed12(GREYS * 16), bits=12), ()),
    "12, PGM": (b"P5 256 4 4095\n" + (GREYS * 4095 // 255).astype(">u2").tobytes(), ()),
    "16, PGM": (b"P5 256 4 65535\n" + (GREYS * 257).astype(">u2").tobytes(), ()),
    "16 of 32": (saved((GREYS * 257).astype(np.int32)), guessed(16, 31)),
    "24 of 32": (saved((GREYS * 65793).astype(np.int32)), guessed(24, 31)),
    "31 with a sign": (saved((GREYS * 8421504).astype(np.int32)), ()),
    "32 without": (tiff((GREYS * 16843009).astype("<u4").tobytes(), bits=32), ()),
    "floats": (saved((GREYS / 255).astype(np.float32)), ()),
    "16 from white": (tiff((65535 - GREYS * 257).astype("<u2").tobytes(), bits=16, photometric=0), ()),
    "floats from white": (
        tiff((1 - GREYS / 255).astype("<f4").tobytes(), bits=32, sample_format=3, photometric=0),
        (),
    ),
    "16, JPEG 2000": (saved((GREYS * 257).astype(np.uint16), "JPEG2000"), ()),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_range_gives_the_same_greys(kind):
    data, remarks = FILES[kind]
    picture = open_picture(BytesIO(data))
    np.testing.assert_array_equal(np.asarray(picture)[0], np.repeat(GREYS[0][:, None], 3, axis=1))
    assert picture.info.get(REMARKS, ()) == remarks


def test_what_a_file_says_is_not_guessed():
    """A dark picture of a format that has its range in its header stays dark."""
    dark = GREYS // 16
    for data in (tiff(packed12(dark * 16), bits=12), b"P5 256 4 65535\n" + (dark * 257).astype(">u2").tobytes()):
        np.testing.assert_array_equal(np.asarray(open_picture(BytesIO(data)))[:, :, 0], dark)


@pytest.mark.parametrize(("largest", "bits"), [(255, 8), (256, 12), (4095, 12), (4096, 16), (16383, 16), (65535, 16)])
def test_the_largest_value_decides_between_few_steps(largest, bits):
    """None between 12 and 16: dark pictures of the full range are not rare there."""
    grey = grey_of_numbers(np.array([[0, largest]]))
    assert (grey.bits, bool(grey.room)) == (bits, bits < 16)
    assert int(grey.values.max()) == largest >> (bits - 8)


def test_a_user_can_say_how_many_bits_there_are():
    data = FILES["12 in 16"][0]
    dark = open_picture(BytesIO(data), Reading(grey_bits=16))
    np.testing.assert_array_equal(np.asarray(dark)[0, :, 0], GREYS[0] * 16 >> 8)
    assert REMARKS not in dark.info
    np.testing.assert_array_equal(
        np.asarray(open_picture(BytesIO(FILES["8 bits"][0]), Reading(grey_bits=12)))[0, :, 0], GREYS[0]
    )
    with pytest.raises(PictureError, match="values up to 65,535, more than 12 bits have: set grey_bits to more"):
        open_picture(BytesIO(FILES["16 bits"][0]), Reading(grey_bits=12))


def test_values_below_zero_are_black_and_said():
    grey = grey_of_numbers(np.array([[-1000, 0, 3000]]))
    assert (grey.values.tolist(), grey.remarks[1]) == ([[0, 0, 187]], "hold values below 0, read as black")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 255.0], r"floats from 0 to 255, .*must lie in 0 to 1\. Divide them by 255"),
        ([-1.8, 2.1], r"floats from -1\.8 to 2\.1, .*Scale them"),
        ([0.0, float("nan")], "not finite"),
        ([0.0, float("inf")], "not finite"),
    ],
)
def test_floats_that_nobody_can_know_are_refused_with_the_cure(values, message):
    floats = np.array([values], dtype=np.float32)
    with pytest.raises(PictureError, match=message):
        grey_of_floats(floats)
    with pytest.raises(PictureError, match=f"image can't be read: mine.tif .it holds .*{message}"):
        open_picture(BytesIO(saved(floats)), name="mine.tif")


def test_floats_may_miss_the_range_by_a_rounding_error():
    assert grey_of_floats(np.array([[-1e-6, 1 + 1e-6]])).values.tolist() == [[0, 255]]


def test_pictures_of_pillows_are_read_as_files_are():
    for data, _ in FILES.values():
        with Image.open(BytesIO(data)) as image:
            np.testing.assert_array_equal(as_rgb(image), open_picture(BytesIO(data)))


def test_ids_change_where_the_pixels_did_and_nowhere_else():
    """Features and Results of pictures that were read as black before must not be taken for those of today."""
    same = {"8 bits", "16 bits", "16 bits, PNG", "16 of 32", "12, PGM", "16, PGM", "16, JPEG 2000"}
    for kind, (data, _) in FILES.items():
        assert (picture_id(data) == content_id(data)) == (kind in same), kind
    damaged = FILES["12 in 16"][0][:300]
    assert picture_id(damaged) == content_id(damaged)
