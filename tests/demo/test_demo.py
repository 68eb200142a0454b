"""The embedded default: pictures, captions, datasets, weights."""

import hashlib
import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from promptlab.clip import FrozenCLIP
from promptlab.demo import datasets
from promptlab.demo.captions import caption, noun
from promptlab.demo.datasets import CORNERS, SHAPES, demo_dataset
from promptlab.demo.model import ARCHITECTURE, METADATA, TOKEN_IDS, WEIGHTS, DemoWeightsError, load_demo_clip
from promptlab.demo.pretrain import Settings, _contrastive, pretrain
from promptlab.demo.scenes import held_out, pretraining_picture
from promptlab.demo.world import PATTERN_NAMES, SHAPE_NAMES, SURFACE, TEXTURES, WORLD_VERSION, Picture, render
from promptlab.prompts import ClassPrompts

PINNED_PICTURES = "1e66d0a20bcb1c05ca990b57a911be7fc68e0e805c62cca198d8e9629726cbfe"
SMALL = {
    "embed_dim": 16,
    "vision": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32},
    "text": {"layers": 1, "width": 16, "heads": 2, "context_length": 77, "vocab_size": 49408},
    "quick_gelu": True,
}


def pinned_pictures():
    random = np.random.RandomState(7)
    shapes = [Picture(shape, "red", texture, seed=i) for i, shape in enumerate(SHAPE_NAMES) for texture in TEXTURES]
    surfaces = [Picture(SURFACE, "blue", pattern, seed=3) for pattern in PATTERN_NAMES]
    return [*shapes, *surfaces, *(pretraining_picture(random) for _ in range(100))]


def test_pictures_are_the_same_bytes_everywhere():
    digest = hashlib.sha256(b"".join(render(picture).tobytes() for picture in pinned_pictures()))
    assert digest.hexdigest() == PINNED_PICTURES


def test_a_picture_follows_from_its_spec():
    picture = Picture("star", "red", "striped", grain=30, clutter=40, seed=5)
    assert np.array_equal(render(picture), render(picture))
    assert render(picture).shape == (32, 32, 3)
    assert picture.content_id() != Picture("star", "red", "striped", grain=30, clutter=40, seed=6).content_id()


def test_captions_say_what_is_seen():
    random = np.random.RandomState(0)
    assert noun(Picture("star", "red", "striped")) == "red striped star"
    assert noun(Picture("star", "red", "solid")) == "red star"
    assert noun(Picture(SURFACE, "red", "brick")) == "red brick pattern"
    sketch = [caption(Picture("star", "red", "striped", sketch=True), random) for _ in range(50)]
    assert all("sketch" in text or "drawing" in text for text in sketch)
    dark = [caption(Picture("star", "red", "striped", light=(90, 90, 90)), random) for _ in range(50)]
    assert any("dark" in text for text in dark)
    assert not any("dark" in caption(Picture("star", "red", "striped"), random) for _ in range(50))


def test_pretraining_never_shows_the_held_out_combinations():
    random = np.random.RandomState(1)
    pictures = [pretraining_picture(random) for _ in range(3000)]
    shown = {(p.colour, p.texture, p.shape) for p in pictures if p.shape != SURFACE}
    assert not any(held_out(*combination) for combination in shown)
    new = SHAPES[len(SHAPES) // 2 :]
    assert 0 < sum(held_out(*combination) for combination in new) < len(new)


@pytest.mark.parametrize("name", CORNERS)
def test_datasets(name):
    dataset = demo_dataset(name)
    classes = len(dataset.class_names)
    assert classes == (12 if name == "demo_textures" else 24)
    assert len(set(dataset.class_names)) == classes
    for split, count in (("train", 32), ("val", 16), ("test", 60)):
        assert np.array_equal(np.bincount(getattr(dataset, split).labels), np.full(classes, count))
    ids = [content for split in ("train", "val", "test") for content in getattr(dataset, split).content_ids()]
    assert len(set(ids)) == len(ids)
    assert dataset.train.source.open(0).size == (32, 32)


def test_unknown_dataset_is_named():
    with pytest.raises(ValueError, match=r"name='demo_animals'.*one of demo_shapes"):
        demo_dataset("demo_animals")


def test_weights_are_small_and_say_what_they_are():
    assert WEIGHTS.stat().st_size < 10e6
    with safe_open(WEIGHTS, "pt") as file:
        facts = json.loads(file.metadata()[METADATA])
        assert len(file.get_tensor(TOKEN_IDS)) < 200
    assert facts["world_version"] == WORLD_VERSION
    assert facts["architecture"] == ARCHITECTURE
    assert facts["settings"] == vars(Settings())


def test_model_is_rebuilt_bit_by_bit():
    first, _, preprocess = load_demo_clip()
    torch.manual_seed(3)
    second, _, _ = load_demo_clip()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not first.training
    picture = render(Picture("star", "red", "striped"))
    assert preprocess(Image.fromarray(picture)).shape == (3, 32, 32)


def test_unknown_words_are_named_once(caplog):
    _, tokenizer, _ = load_demo_clip()
    with caplog.at_level(logging.WARNING):
        tokenizer.warn_of_unknown_words(["a photo of a red striped star."])
        assert not caplog.records
        clip = FrozenCLIP(*load_demo_clip()[:2], None, "demo")
        ClassPrompts(clip, ["herbaceous vegetation", "red star", "helicopter"], n_ctx=1)
        clip.encode_texts(["a photo of a helicopter."])
    assert len(caplog.records) == 1
    assert "words: helicopter, herbaceous, vegetation" in caplog.text


def test_of_many_unknown_words_ten_are_named(caplog):
    _, tokenizer, _ = load_demo_clip()
    tokenizer.warn_of_unknown_words([f"helicopter{number:02d}" for number in range(30)])
    assert caplog.messages[-1].endswith("helicopter08, helicopter09 and 20 more")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_damaged_weights_are_named(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(DemoWeightsError, match="can't be read"):
        load_demo_clip(path)


def test_pretraining_runs_and_repeats(tmp_path):
    settings = Settings(pictures=40, steps=2, batch_size=16)
    content = pretrain(settings, SMALL)
    assert content == pretrain(settings, SMALL)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    model, tokenizer, _ = load_demo_clip(path)
    assert model.encode_text(tokenizer(["a red star."])).shape == (1, 16)


def test_contrastive_loss_is_clips_where_captions_differ():
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.nn.functional.normalize(torch.randn(5, 8, generator=generator), dim=-1) for _ in range(2))
    logits, labels = 20 * images @ texts.T, torch.arange(5)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(_contrastive(images, texts, range(5), torch.tensor(20.0)), expected)


def test_a_picture_is_drawn_once_and_is_the_caller_s_own(monkeypatch):
    drawn, draw = [], datasets.render
    monkeypatch.setattr(datasets, "render", lambda picture: drawn.append(picture) or draw(picture))
    source = datasets.RenderedImages(demo_dataset("demo_textures").train.source._pictures)
    first = source.open(3)
    before = first.tobytes()
    first.paste((9, 9, 9), (0, 0, 9, 9))
    assert source.open(3).tobytes() == before
    assert len(drawn) == 1
