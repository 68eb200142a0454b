"""Near-copies: found across sizes, compression, light, crops and sides, and not between two pictures of one kind."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from promptlab import demo_dataset
from promptlab.data.items import Items
from promptlab.own.copies import joined
from promptlab.own.look_alikes import Copies, look_alikes


class Given:
    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def open(self, index):
        return self.pictures[index]


def items(pictures):
    return Items(Given(pictures), np.arange(len(pictures)), np.zeros(len(pictures), dtype=np.int64))


def same_features(count):
    return np.ones((count, 1), dtype=np.float32)


def groups(pictures, clip):
    with torch.no_grad():
        features = clip.encode_images(torch.stack([clip.preprocess(one.convert("RGB")) for one in pictures])).numpy()
    found = look_alikes(items(pictures), features)
    return joined(len(pictures), found.stars(len(pictures))).tolist()


def speckled(draw, rng, box, blobs, colours):
    """Blobs of random places and sizes inside a box."""
    for _ in range(blobs):
        x, y, r = rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3]), rng.uniform(4, 14)
        shade = tuple(int(value) for value in np.clip(rng.normal(colours, 30), 0, 255))
        draw.ellipse((x - r, y - r / 2, x + r, y + r / 2), fill=shade)


def slide(seed):
    """What a microscope shows: a bright disc on black, the same in all, and cells that differ."""
    rng, picture = np.random.default_rng(seed), Image.new("RGB", (160, 160))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((8, 8, 152, 152), fill=(230, 200, 215))
    speckled(draw, rng, (36, 36, 124, 124), 25, (150, 70, 140))
    return picture


def face(seed):
    """An aligned face: outline, eyes and mouth where all have them, of other sizes, with hair and freckles."""
    rng, picture = np.random.default_rng(seed), Image.new("RGB", (160, 160), (200, 205, 210))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((36, 20, 124, 148), fill=(225, 180, 150))
    speckled(draw, rng, (40, 14, 120, 36), 14, (90, 60, 40))
    for x in (60, 100):
        wide, high = rng.uniform(5, 11), rng.uniform(3, 7)
        draw.ellipse((x - wide, 70 - high, x + wide, 70 + high), fill=(40, 40, 60))
    wide = rng.uniform(10, 24)
    draw.rectangle((80 - wide, 115, 80 + wide, 115 + rng.uniform(3, 12)), fill=(170, 60, 60))
    draw.polygon([(80, 78), (80 - rng.uniform(4, 12), 100), (80 + rng.uniform(4, 12), 100)], fill=(200, 150, 120))
    speckled(draw, rng, (48, 84, 112, 110), 5, (190, 140, 110))
    return picture


def product(seed):
    """A bottle on white, in the middle, with its label."""
    rng, picture = np.random.default_rng(seed), Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((56, 40, 104, 150), fill=(60, 110, 60))
    draw.rectangle((72, 10, 88, 40), fill=(60, 110, 60))
    speckled(draw, rng, (62, 60, 98, 130), 18, (200, 190, 120))
    return picture


def recompressed(picture):
    file = BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


COPIES = {
    "recompressed": recompressed,
    "smaller": lambda picture: picture.resize((60, 60)),
    "larger, of another shape": lambda picture: picture.resize((400, 300)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "mirrored": ImageOps.mirror,
    "cropped": lambda picture: picture.crop((6, 2, 156, 152)),
    "cropped and mirrored": lambda picture: ImageOps.mirror(picture.crop((3, 4, 154, 156))),
}


@pytest.mark.parametrize("drawn", [slide, face, product])
def test_aligned_pictures_of_a_class_are_no_copies_and_copies_of_each_are(drawn, clip):
    """20 different ones, each of which the hashes of before called copies of others."""
    pictures = [drawn(seed) for seed in range(20)]
    copies = [(2 * place, make(pictures[2 * place])) for place, make in enumerate(COPIES.values())]
    found = groups([*pictures, *(copy for _, copy in copies)], clip)
    assert len(set(found[:20])) == 20
    assert found[20:] == [found[place] for place, _ in copies], list(COPIES)


def test_two_shifted_frames_of_one_scene_are_one(clip):
    wide = demo_dataset("demo_textures").train.source.open(0).resize((200, 200))
    scene = Image.blend(wide, slide(3).resize((200, 200)), 0.5)
    one, other = scene.crop((0, 0, 184, 190)), scene.crop((14, 8, 198, 198))
    assert groups([one, other, face(1)], clip) == [0, 0, 1]


def test_another_colour_is_another_thing(clip):
    one = product(0)
    other = Image.merge("RGB", one.split()[::-1])
    other.paste((60, 60, 200), (56, 134, 104, 150))
    assert groups([one, other], clip) == [0, 1]


@pytest.fixture(scope="module")
def drawn():
    data = demo_dataset("demo_textures").train
    return [data.source.open(int(index)) for index in data.indices[::16]]


def test_copies_in_other_sizes_are_found_and_nothing_else(drawn):
    file = BytesIO()
    drawn[3].save(file, "JPEG", quality=60)
    copies = [drawn[0].resize((64, 64)), Image.open(file)]
    found = look_alikes(items([*drawn, *copies]), same_features(len(drawn) + 2))
    assert {tuple(pair) for pair in found.pairs.tolist()} == {(0, len(drawn)), (3, len(drawn) + 1)}
    assert found.stars(len(drawn) + 2) == [(0, len(drawn)), (3, len(drawn) + 1)]


def test_features_tell_flat_pictures_apart():
    flat = [Image.new("RGB", (32, 32), colour) for colour in ("red", "red", "#700000")]
    features = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    found = look_alikes(items(flat), features)
    assert found.pairs.tolist() == [[0, 1]]
    assert (found.similarities.tolist(), found.likeness.tolist()) == ([1], [1])


def test_blocks_make_no_difference(drawn, monkeypatch):
    pictures = items([*drawn[:8], *drawn[:8]])
    whole = look_alikes(pictures, same_features(len(pictures)))
    monkeypatch.setattr("promptlab.own.look_alikes._ROWS", 5)
    blocks = look_alikes(pictures, same_features(len(pictures)))
    assert np.array_equal(blocks.pairs, whole.pairs)


def test_no_picture_has_no_copy():
    assert look_alikes(items([]), np.zeros((0, 4), dtype=np.float32)).pairs.shape == (0, 2)


def test_a_film_isn_t_one_endless_chain():
    frames = np.array([(place, place + 1) for place in range(59)])
    ones = np.ones(59, dtype=np.float32)
    stars = Copies(frames, ones, ones).stars(60)
    sizes = np.bincount(joined(60, stars))
    assert sizes.max() == 3  # a frame, and those beside it
    assert len({copy for _, copy in stars} | {centre for centre, _ in stars}) >= 58
