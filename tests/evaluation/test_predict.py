"""What a learner says of a user's own pictures: read as a dataset's are, batch after batch, with names."""

import copy
import logging
import os
import pickle
import resource
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

import promptlab
from promptlab.data import FileImages, Items
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.predicted import Predicted
from promptlab.support.errors import DatasetError

NAMES = ("red circle", "blue star", "green ring")


@pytest.fixture(scope="module")
def learner():
    return promptlab.ZeroShot(promptlab.load_clip("demo"), NAMES)


@pytest.fixture(scope="module")
def images():
    data = promptlab.demo_dataset("demo_shapes")
    return [data.test.source.open(int(index)) for index in data.test.indices[:5]]


def as_pixels(image):
    return np.asarray(image).copy()


def as_file(image, tmp_path):
    image.save(tmp_path / "a.png")
    return tmp_path / "a.png"


def as_bytes(image):
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_files_bytes_pictures_arrays_and_tensors_give_the_same(learner, images, tmp_path):
    image = images[0]
    channels_first = torch.from_numpy(as_pixels(image)).permute(2, 0, 1)
    path = as_file(image, tmp_path)
    with path.open("rb") as opened:
        kinds = [path, str(path), opened, as_bytes(image), image, as_pixels(image), as_pixels(image) / 255,
                 channels_first, channels_first / 255]  # fmt: skip
        predicted = promptlab.predict(learner, kinds)
    torch.testing.assert_close(predicted.probabilities, predicted.probabilities[:1].expand(len(kinds), -1))
    assert predicted.pictures == (*[str(path)] * 3, *(f"picture {place}" for place in range(3, 9)))


def test_one_picture_may_stand_for_a_list_of_one(learner, images, tmp_path):
    path = as_file(images[0], tmp_path)
    expected = promptlab.predict(learner, [path])
    pixels = as_pixels(images[0])
    for one in (path, str(path), images[0], pixels, torch.from_numpy(pixels).permute(2, 0, 1)):
        torch.testing.assert_close(promptlab.predict(learner, one), expected)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_how_many_grey_pictures_there_are_never_makes_them_one(learner, count):
    greys = np.random.RandomState(0).randint(256, size=(count, 24, 20), dtype=np.uint8)
    expected = promptlab.predict(learner, list(greys))
    assert len(expected) == count
    for batch in (torch.from_numpy(greys)[:, None], list(torch.from_numpy(greys)), greys[..., None]):
        torch.testing.assert_close(promptlab.predict(learner, batch), expected)
    if count in (1, 3, 4):
        with pytest.raises(DatasetError, match=rf"can be {count} grey pictures, or one .* list.array. for grey ones"):
            promptlab.predict(learner, greys)
        assert len(promptlab.predict(learner, [greys])) == 1  # inside a list it is one
        assert len(promptlab.predict(learner, torch.from_numpy(greys))) == 1  # a tensor's channels come first
    else:
        torch.testing.assert_close(promptlab.predict(learner, greys), expected)
        with pytest.raises(DatasetError, match=r"give grey ones as \(N, 1, H, W\)"):
            promptlab.predict(learner, torch.from_numpy(greys))


def test_batches_generators_and_nothing_at_all(learner, images):
    expected = promptlab.predict(learner, images)
    stacked = np.stack([as_pixels(image) for image in images])
    for many in (stacked, torch.from_numpy(stacked).permute(0, 3, 1, 2), (image for image in images), tuple(images)):
        torch.testing.assert_close(promptlab.predict(learner, many, batch_size=2), expected)
    for none in ([], (), iter([]), np.empty((0, 32, 32, 3), dtype=np.uint8)):
        predicted = promptlab.predict(learner, none)
        assert (predicted.shape, predicted.names, predicted.rows()) == ((0, 3), (), [])
    assert repr(promptlab.predict(learner, [])) == "no pictures, 3 classes"


def test_names_logits_and_the_most_probable_classes(learner, images):
    predicted = promptlab.predict(learner, images)
    assert isinstance(predicted, Predicted)
    assert predicted.names == tuple(NAMES[label] for label in predicted.argmax(1))
    torch.testing.assert_close(predicted.logits.softmax(1), predicted.probabilities)
    (best, second), *_ = predicted.top(2)
    assert best == (predicted.names[0], float(predicted[0].max()))
    assert best[1] > second[1]
    assert len(predicted.top(9)[0]) == 3
    row = {"picture": "picture 1", "name": predicted.names[1], "probability": float(predicted[1].max())}
    assert predicted.rows()[1] == row
    shown = repr(promptlab.predict(learner, images * 5)).splitlines()
    assert shown[1].split()[:2] == ["picture", "1"]
    assert predicted.names[1] in shown[1]
    assert (len(shown), shown[-1]) == (21, "and 5 more pictures")


def test_it_is_a_tensor_of_probabilities_as_it_always_was(learner, images, tmp_path):
    predicted = promptlab.predict(learner, images)
    for made in (predicted.argmax(1), predicted[1:], predicted.log(), predicted + 1, torch.cat([predicted, predicted])):
        assert type(made) is torch.Tensor
    assert (predicted.numpy() == np.asarray(predicted)).all()
    torch.save(predicted, tmp_path / "saved.pt")
    assert torch.equal(torch.load(tmp_path / "saved.pt"), predicted)
    assert torch.equal(pickle.loads(pickle.dumps(predicted)), predicted)
    assert copy.deepcopy(predicted).names == predicted.names


def test_sixteen_bits_are_read_as_evaluation_reads_them(learner, images, tmp_path, caplog):
    """They were white for predict, and right for everything else."""
    for place, image in enumerate(images):
        grey = np.asarray(image.convert("L")).astype(np.uint16)
        Image.fromarray(grey * (257 if place % 2 else 16)).save(tmp_path / f"{place}.png")
    files = [tmp_path / f"{place}.png" for place in range(5)]
    with caplog.at_level(logging.WARNING, "promptlab"):
        predicted = promptlab.predict(learner, files)
    source = FileImages(tmp_path, [file.name for file in files])
    expected = logits_of(learner, Items(source, np.arange(5), np.zeros(5, dtype=np.int64)))
    torch.testing.assert_close(predicted.logits, expected, atol=1e-3, rtol=0)
    assert "3 pictures were read as 12-bit grey by the largest value" in caplog.text


def test_turned_pictures_are_turned_where_it_is_asked(learner, images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    images[0].save(tmp_path / "a.png", exif=exif)
    plain, turned = (promptlab.predict(learner, tmp_path / "a.png", exif=exif) for exif in (False, True))
    torch.testing.assert_close(plain, promptlab.predict(learner, images[0]))
    torch.testing.assert_close(turned, promptlab.predict(learner, images[0].rotate(-90)))


def test_many_files_are_open_one_batch_at_a_time(learner, images, tmp_path):
    """Fifteen hundred ended in "too many open files"."""
    file = as_file(images[0], tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 24, hard))
    try:
        predicted = promptlab.predict(learner, [file] * 100, batch_size=20)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert predicted.shape == (100, 3)


def test_no_more_than_a_batch_is_asked_for_at_a_time(learner, images):
    asked, scored = [], []
    forward = learner.scorer()

    class Watched(promptlab.ZeroShot):
        def scorer(self):
            return lambda inputs: scored.append((len(asked), len(inputs))) or forward(inputs)

    pictures = (asked.append(place) or images[place % 5] for place in range(7))
    promptlab.predict(Watched(learner.clip, NAMES), pictures, batch_size=3)
    assert scored == [(3, 3), (6, 3), (7, 1)]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (["gone.png"], DatasetError, r"image is missing: gone\.png"),
        (["gone.png"], OSError, r"image is missing: gone\.png"),
        ([b"text"], DatasetError, "image can't be read: picture 0 .cannot identify"),
        ([np.zeros((4, 4)), np.zeros((2, 5, 7, 9))], DatasetError, r"picture 1 can't be read: an array of shape"),
        ([torch.full((3, 4, 4), -1.5)], DatasetError, r"floats from -1\.5 .*as it is before the backbone's preprocess"),
        ([3], TypeError, "picture 0 is a int: files, PIL images"),
        (3, TypeError, "a list of files, PIL images, arrays or tensors is needed, got int"),
    ],
)
def test_what_is_no_picture_is_named(learner, given, error, message):
    with pytest.raises(error, match=message):
        promptlab.predict(learner, given)


def test_options_out_of_range_are_named(learner, images):
    with pytest.raises(ValueError, match="batch_size=0"):
        promptlab.predict(learner, images, batch_size=0)
    with pytest.raises(DatasetError, match="more than max_pixels=100 in all"):
        promptlab.predict(learner, [as_bytes(images[0])], max_pixels=100)
