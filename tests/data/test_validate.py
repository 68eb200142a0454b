"""What a look at every image finds, and what pictures of all kinds become."""

import numpy as np
import pytest
from PIL import Image

from promptlab.data import Dataset, DatasetError, FeatureRows, FileImages, Items
from promptlab.data.validate import validate
from promptlab.demo.datasets import demo_dataset
from tests.data.fakes import write_pictures


def dataset_of(source, train, val, test, labels=None):
    labels = np.zeros(len(source), dtype=np.int64) if labels is None else np.asarray(labels)
    parts = {
        split: Items(source, np.array(rows, dtype=np.int64), labels[rows])
        for split, rows in (("train", train), ("val", val), ("test", test))
    }
    return Dataset("mine", ("cat", "dog"), "a {}.", **parts, split_source="", split_hash="")


def test_good_images_pass(tmp_path):
    source = FileImages(tmp_path, write_pictures(tmp_path, 6))
    found = validate(dataset_of(source, [0, 1, 2], [3], [4, 5]))
    assert (found.images, found.problems, found.warnings) == (6, (), ())
    found.refuse()
    assert validate(demo_dataset("demo_textures")).images > 1000


def test_every_bad_image_is_named_at_once(tmp_path):
    names = write_pictures(tmp_path, 8, size=(64, 64))
    (tmp_path / names[1]).write_bytes(b"")
    (tmp_path / names[3]).write_bytes((tmp_path / names[3]).read_bytes()[:3000])
    (tmp_path / names[4]).write_text("<html>not found</html>")
    (tmp_path / names[7]).unlink()
    found = validate(dataset_of(FileImages(tmp_path, names), [0, 1, 2], [3], [4, 5, 6, 7, 1]))
    assert found.images == 8
    assert len(found.problems) == 4
    with pytest.raises(DatasetError) as caught:
        found.refuse()
    for name, reason in ((names[1], "the file is empty"), (names[3], "truncated"), (names[4], "image can't be read"),
                         (names[7], "image is missing")):  # fmt: skip
        assert any(name in line and reason in line for line in str(caught.value).splitlines()), name
    assert "4 problems" in str(caught.value)


def test_the_same_content_in_two_lists_is_a_warning(tmp_path):
    names = write_pictures(tmp_path, 5)
    for copy, of in (("copy_a.png", 0), ("copy_b.png", 1)):
        (tmp_path / copy).write_bytes((tmp_path / names[of]).read_bytes())
        names.append(copy)
    source = FileImages(tmp_path, names)  # 5 is 0 again, 6 is 1 again
    found = validate(dataset_of(source, [0, 1, 2], [6], [3, 4, 5]))
    assert found.warnings == (
        "1 test images are training images too: copy_a.png is image_0000.png",
        "1 validation images are training images too: copy_b.png is image_0001.png",
    )
    found = validate(dataset_of(source, [0, 1, 2, 5], [], [3, 4], labels=[0, 0, 0, 0, 0, 1, 0]))
    assert found.warnings == ("1 images are under two classes: image_0000.png (cat) is copy_a.png (dog)",)
    assert validate(dataset_of(source, [0, 1, 5], [3], [3, 4])).warnings == ()


def test_features_are_compared_but_not_opened():
    rows = FeatureRows(np.eye(4, dtype=np.float32)[[0, 1, 2, 0]], "f.npz")
    found = validate(dataset_of(rows, [0, 1], [], [2, 3]))
    assert found.problems == ()
    assert found.warnings == ("1 test images are training images too: f.npz[3] is f.npz[0]",)


def gradient():
    """16-bit grey from black to white, 256 columns."""
    return np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))


@pytest.mark.parametrize("name", ["grey.png", "grey.tif"])
def test_sixteen_bit_grey_keeps_its_greys(tmp_path, name):
    Image.fromarray(gradient()).save(tmp_path / name)
    with Image.open(tmp_path / name) as stored:
        assert np.asarray(stored).max() == 65535
    picture = np.asarray(FileImages(tmp_path, [name]).open(0))
    assert picture.shape == (4, 256, 3)
    np.testing.assert_array_equal(picture[0, :, 0], np.arange(256))


def test_whole_numbers_of_32_bits_keep_their_greys(tmp_path):
    values = gradient().astype(np.int32)
    values[0, 0] = -5
    Image.fromarray(values).save(tmp_path / "grey.tif")
    picture = np.asarray(FileImages(tmp_path, ["grey.tif"]).open(0))
    np.testing.assert_array_equal(picture[0, :, 1], np.arange(256))


def test_pictures_are_not_turned_by_exif(tmp_path):
    """open_clip's transform and CoOp ignore the orientation, so published numbers do too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10), (9, 99, 200)).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as stored:
        assert stored.getexif()[0x0112] == 6
    assert FileImages(tmp_path, ["turned.jpg"]).open(0).size == (20, 10)
