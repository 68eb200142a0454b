"""One way to open a picture: which files, how large, and turned or not."""

import random
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, features

from promptlab.data import FileImages
from promptlab.data.pictures import formats as formats_module
from promptlab.data.pictures.formats import formats, is_image_name, what_is_missing
from promptlab.data.pictures.identity import ids_under, picture_id
from promptlab.data.pictures.picture import as_rgb, open_picture
from promptlab.data.pictures.reading import MAX_PIXELS, PictureError, Reading
from promptlab.data.sources.tables import TableImages
from promptlab.support.errors import DatasetError, UsageError
from tests.data.pictures.greys import tiff

COLOUR = (200, 10, 30)


def encoded(kind="PNG", image=None, **options):
    file = BytesIO()
    (image or Image.new("RGB", (12, 10), COLOUR)).save(file, kind, **options)
    return file.getvalue()


# ---- which files


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "JPEG2000", "AVIF"])
def test_these_kinds_are_read_whatever_their_name_says(tmp_path, kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    (tmp_path / "a.png").write_bytes(encoded(kind))
    picture = np.asarray(open_picture(tmp_path / "a.png")).astype(int)
    assert np.abs(picture - COLOUR).max() < 12


def test_a_phones_jpeg_of_several_pictures_gives_the_first():
    other = Image.new("RGB", (12, 10), (0, 0, 255))
    picture = open_picture(BytesIO(encoded("MPO", save_all=True, append_images=[other])))
    assert np.abs(np.asarray(picture).astype(int) - COLOUR).max() < 12


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "PCX", "PDF"])
def test_other_kinds_are_refused_and_start_no_program(monkeypatch, kind):
    def refuse(*args, **kwargs):
        pytest.fail("a program was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(PictureError, match=r"a\.png .cannot identify a picture in it; JPEG, PNG, .* are read"):
        open_picture(BytesIO(encoded(kind)), name="a.png")


def test_heic_is_named_with_what_reads_it(monkeypatch):
    start = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    monkeypatch.setattr(formats_module, "formats", lambda: ("JPEG", "PNG"))
    assert what_is_missing(BytesIO(start)).startswith("a HEIC picture, which needs pillow-heif: pip install 'promptlab")
    avif = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(200)
    assert "pip install 'pillow>=11.3'" in what_is_missing(BytesIO(avif))
    assert what_is_missing(BytesIO(encoded())) is None
    if "HEIF" not in formats():
        with pytest.raises(PictureError, match=r"mine\.heic .it is a HEIC picture, .*'promptlab-clip\[heif\]'"):
            open_picture(BytesIO(start), name="mine.heic")


def test_a_tiff_of_unreadable_values_is_told_from_other_files():
    data = tiff(np.zeros((4, 256)).tobytes(), bits=64, sample_format=3)
    with pytest.raises(PictureError, match="it is damaged, or a TIFF of values that are not read: save it as RGB"):
        open_picture(BytesIO(data))


def test_heic_is_read_where_its_package_is_installed():
    heif = pytest.importorskip("pillow_heif")
    file = BytesIO()
    heif.from_pillow(Image.new("RGB", (64, 64), COLOUR)).save(file)
    assert np.abs(np.asarray(open_picture(file)).astype(int) - COLOUR).max() < 12


def test_names_of_pictures():
    assert all(is_image_name(f"a.{ending}") for ending in ("JPG", "heic", "avif", "jp2", "jfif", "tif"))
    assert not any(is_image_name(name) for name in ("a.eps", "a.pdf", "a.svg", "a.txt", "jpg"))


# ---- what pixels become


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (12, 10), (0, 0, 255))]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = encoded(kind, save_all=True, append_images=frames, **({"lossless": True} if kind == "WEBP" else {}))
        assert open_picture(BytesIO(data)).getpixel((3, 3)) == COLOUR


def test_transparency_is_dropped_as_coop_drops_it(recwarn):
    clear = Image.new("RGBA", (12, 10), (*COLOUR, 0))
    assert open_picture(BytesIO(encoded(image=clear))).getpixel((0, 0)) == COLOUR
    palette = Image.new("RGB", (12, 10), COLOUR).convert("P")
    data = encoded(image=palette, transparency=bytes(range(100)))
    assert open_picture(BytesIO(data)).tobytes() == palette.convert("RGB").tobytes()
    assert as_rgb(clear.convert("LA")).mode == "RGB"
    assert not recwarn.list


ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("deep", [False, True])
def test_exif_is_an_option(orientation, deep):
    corner = np.zeros((10, 12), dtype=np.uint16)
    corner[:2, :3] = 65535
    upright = Image.fromarray(corner if deep else (corner >> 8).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded("PNG", upright, exif=exif)
    plain, turned = open_picture(BytesIO(data)), open_picture(BytesIO(data), Reading(exif=True))
    assert plain.tobytes() == as_rgb(upright).tobytes()
    rows = np.asarray(plain)
    expected = {1: rows, 2: rows[:, ::-1], 3: rows[::-1, ::-1], 4: rows[::-1], 5: rows.transpose(1, 0, 2),
                6: np.rot90(rows, -1), 7: np.rot90(rows, 2).transpose(1, 0, 2), 8: np.rot90(rows)}  # fmt: skip
    np.testing.assert_array_equal(np.asarray(turned), expected[orientation])


def test_what_is_read_otherwise_has_another_id(tmp_path):
    """So that neither features nor Results of upright pictures are taken for those of turned ones."""
    (tmp_path / "a.png").write_bytes(encoded())
    usual, turned = (FileImages(tmp_path, ["a.png"], Reading(exif=exif)).content_ids([0]) for exif in (False, True))
    assert usual == [picture_id(encoded())]
    assert turned == ids_under(Reading(exif=True), usual) != usual
    assert ids_under(Reading(grey_bits=12), usual) not in (usual, turned)
    assert ids_under(Reading(max_pixels=10), usual) == usual
    table = {"train": [{"image": {"bytes": encoded()}}]}
    assert TableImages(table, "image", Reading(exif=True)).content_ids([0]) == turned


# ---- how large


def test_the_limit_is_ours_and_named(monkeypatch):
    data = encoded()
    message = r"mine .it has 12 x 10 pixels, more than max_pixels=119 in all: set max_pixels=120 .dataset\.max_pixels"
    with pytest.raises(PictureError, match=message) as caught:
        open_picture(BytesIO(data), Reading(max_pixels=119), name="mine", if_damaged="Fetch this file again.")
    assert "Fetch" not in str(caught.value)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow refuses twice as many, whoever asks
    assert open_picture(BytesIO(data), Reading(max_pixels=120)).size == (12, 10)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_small_file_of_too_many_pixels_is_not_decoded(monkeypatch):
    data = encoded(image=Image.new("1", (15000, 12500)))
    assert len(data) < 100_000
    monkeypatch.setattr(Image.Image, "convert", lambda *args: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match=f"15,000 x 12,500 pixels, more than max_pixels={MAX_PIXELS}"):
        open_picture(BytesIO(data))


def test_a_line_is_not_blown_up():
    """Resized by its shorter side, a picture of 100,000 x 1 would take 15 GB."""
    assert open_picture(BytesIO(encoded(image=Image.new("1", (5000, 5))))).size == (5000, 5)
    with pytest.raises(PictureError, match="100,000 x 1 pixels, one side more than 1,000 times the other: crop it"):
        open_picture(BytesIO(encoded(image=Image.new("1", (100_000, 1)))))


@pytest.mark.parametrize("options", [{"max_pixels": 0}, {"max_pixels": 1e6}, {"grey_bits": 7}, {"exif": "yes"}])
def test_choices_out_of_range_are_named(options):
    (name,) = options
    with pytest.raises(UsageError, match=f"{name}="):
        Reading(**options)


# ---- faults


@pytest.mark.filterwarnings("ignore")  # Pillow's own
def test_flipped_bits_give_a_picture_or_a_message():
    """Never another error, and never more pixels than are allowed."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8))
    draws = random.Random(0)
    deep = Image.fromarray(np.arange(320, dtype=np.uint16).reshape(16, 20) * 200)
    for kind, image in [(kind, noise) for kind in ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")] + [
        ("TIFF", deep)
    ]:
        whole = encoded(kind, image)
        for _ in range(60):
            data = bytearray(whole)
            data[draws.randrange(min(len(data), 400))] ^= 1 << draws.randrange(8)
            picture_id(bytes(data))
            try:
                picture = open_picture(BytesIO(bytes(data)), Reading(max_pixels=100_000), name="flipped")
            except PictureError:
                continue
            assert picture.mode == "RGB"
            assert picture.width * picture.height <= 100_000


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(PictureError, match="it is a folder"):
        open_picture(tmp_path)
    with pytest.raises(PictureError, match=r"image is missing: .*gone\.png"):
        open_picture(tmp_path / "gone.png")


def test_the_error_is_what_callers_caught_before():
    assert issubclass(PictureError, OSError)
    assert issubclass(PictureError, DatasetError)
