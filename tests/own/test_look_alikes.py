"""Near-copies: found across sizes and compression, and not between two pictures of one kind."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from promptlab import demo_dataset
from promptlab.data.items import Items
from promptlab.own.look_alikes import look_alikes


class Given:
    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def open(self, index):
        return self.pictures[index]


def items(pictures):
    return Items(Given(pictures), np.arange(len(pictures)), np.zeros(len(pictures), dtype=np.int64))


@pytest.fixture(scope="module")
def drawn():
    data = demo_dataset("demo_textures").train
    return [data.source.open(int(index)) for index in data.indices[::16]]


def same_features(count):
    return np.ones((count, 1), dtype=np.float32)


def test_copies_in_other_sizes_are_found_and_nothing_else(drawn):
    file = BytesIO()
    drawn[3].save(file, "JPEG", quality=60)
    copies = [drawn[0].resize((64, 64)), Image.open(file)]
    found = look_alikes(items([*drawn, *copies]), same_features(len(drawn) + 2))
    assert {tuple(pair) for pair in found.pairs.tolist()} == {(0, len(drawn)), (3, len(drawn) + 1)}
    groups = found.groups(len(drawn) + 2)
    assert groups[0] == groups[len(drawn)]
    assert len(set(groups.tolist())) == len(drawn)


def test_features_tell_flat_pictures_apart():
    flat = [Image.new("RGB", (32, 32), colour) for colour in ("red", "red", "blue")]
    features = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    found = look_alikes(items(flat), features)
    assert found.pairs.tolist() == [[0, 1]]
    assert (found.similarities.tolist(), found.bits.tolist()) == ([1], [0])


def test_blocks_make_no_difference(drawn, monkeypatch):
    pictures = items([*drawn, *drawn])
    whole = look_alikes(pictures, same_features(len(pictures)))
    monkeypatch.setattr("promptlab.own.look_alikes._ROWS", 5)
    blocks = look_alikes(pictures, same_features(len(pictures)))
    assert sorted(map(tuple, blocks.pairs.tolist())) == sorted(map(tuple, whole.pairs.tolist()))


def test_no_picture_has_no_copy():
    assert look_alikes(items([]), np.zeros((0, 4), dtype=np.float32)).pairs.shape == (0, 2)
