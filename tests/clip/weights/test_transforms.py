"""The image transform of weights that are given by a file's path."""

import hashlib
import json
import logging
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip import factory, pretrained

from promptlab.clip.weights import load as loading
from promptlab.clip.weights.load import load_clip

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32},
    "text_cfg": {"width": 64, "heads": 2, "layers": 2},
}
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear", "resize_mode": "squash"}
CLIPS = {"interpolation": "bicubic", "resize_mode": "shortest"}


@pytest.fixture(autouse=True)
def catalogue(monkeypatch):
    """Two small architectures, and no published weights but those of a test."""
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", CONFIG)
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-quickgelu", CONFIG | {"quick_gelu": True})
    return lambda **tags: monkeypatch.setitem(
        pretrained._PRETRAINED, "tiny", {t: {"url": ""} | c for t, c in tags.items()}
    )


@pytest.fixture
def weights(tmp_path):
    with torch.random.fork_rng():
        torch.save(open_clip.CLIP(**CONFIG).state_dict(), tmp_path / "w.pt")
    return str(tmp_path / "w.pt")


def steps(clip):
    return repr(clip.preprocess)


def test_a_file_sees_images_as_all_tags_of_its_architecture_do(catalogue, weights, caplog):
    catalogue(one=HALF, two=HALF)
    with caplog.at_level(logging.WARNING, "promptlab"):
        clip = load_clip("tiny", weights, quick_gelu=False)
    assert (clip.image_mean, clip.image_std) == ((0.5,) * 3, (0.5,) * 3)
    assert "bilinear" in steps(clip)
    assert "CenterCrop" not in steps(clip)
    assert "as all published weights of tiny do (mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5), bilinear, sq" in caplog.text


@pytest.mark.parametrize("tags", [{}, {"one": CLIPS}])
def test_clips_own_stays_where_nothing_else_is_known(catalogue, weights, tags, caplog):
    catalogue(**tags)
    with caplog.at_level(logging.WARNING, "promptlab"):
        clip = load_clip("tiny", weights, quick_gelu=False)
    assert clip.image_mean == open_clip.OPENAI_DATASET_MEAN
    assert "CenterCrop" in steps(clip)
    assert not caplog.records


def test_where_tags_differ_somebody_has_to_say_it(catalogue, weights, monkeypatch):
    catalogue(one=HALF, two=CLIPS, three=HALF, other=HALF | {"quick_gelu": True})
    with monkeypatch.context() as patch:
        patch.setattr(loading, "_load", lambda *args: pytest.fail("a model was built"))
        for arguments, message in (
            ({}, r"transform_of=TAG .backbone\.transform_of=TAG.*one, three .mean .0\.5, .*squash.; two .mean .0\.48"),
            (
                {"transform_of": "tow"},
                "transform_of='tow' is no tag of tiny, did you mean two.: allowed are one, two",
            ),
        ):
            with pytest.raises(ValueError, match=message):
                load_clip("tiny", weights, quick_gelu=False, **arguments)
    assert load_clip("tiny", weights, quick_gelu=False, transform_of="three").image_mean == (0.5,) * 3
    assert load_clip("tiny", weights, quick_gelu=False, transform_of="two").image_mean == open_clip.OPENAI_DATASET_MEAN


def test_a_published_file_is_known_by_its_hash(catalogue, weights):
    digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    url = f"https://github.com/mlfoundations/open_clip/releases/download/v0.2-weights/tiny-laion-{digest[:8]}.pt"
    catalogue(one=CLIPS, laion=HALF | {"url": url})
    assert load_clip("tiny", weights).image_mean == (0.5,) * 3
    assert load_clip("tiny", weights, transform_of="laion").image_mean == (0.5,) * 3
    with pytest.raises(ValueError, match="holds the published weights 'laion', which bring their own image transform"):
        load_clip("tiny", weights, transform_of="one")


def test_the_other_activations_tags_count_where_there_are_no_own(catalogue, weights):
    catalogue(one=HALF)
    assert load_clip("tiny-quickgelu", weights, quick_gelu=True).image_mean == (0.5,) * 3


@pytest.mark.parametrize(
    "arguments", [("demo",), ("tiny", "random"), ("tiny", "one"), ("local-dir:x",), ("hf-hub:a/b",)]
)
def test_what_brings_its_own_transform_is_not_told_another(catalogue, arguments):
    catalogue(one=HALF)
    with pytest.raises(ValueError, match="transform_of='one' is for weights given by a file's path"):
        load_clip(*arguments, transform_of="one")


def test_a_folder_that_says_nothing_of_it_is_said(tmp_path, weights, caplog):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    with caplog.at_level(logging.WARNING, "promptlab"):
        load_clip(f"local-dir:{tmp_path}")
    assert "says nothing of the image transform (preprocess_cfg)" in caplog.text


def test_open_clips_own_catalogue():
    """The architectures whose published weights differ, and one whose weights agree on another mean than CLIP's."""
    weights = {"ViT-L-14": False, "ViT-H-14-quickgelu": True}
    for name, quick_gelu in weights.items():
        with pytest.raises(ValueError, match="transform_of=TAG"):
            load_clip(name, __file__, quick_gelu=quick_gelu)
    from promptlab.clip.weights.transforms import transform_of_file

    assert transform_of_file("PE-Core-T-16-384", Path("w.pt"), None, None)["mean"] == (0.5,) * 3
    assert transform_of_file("ViT-B-16", Path("w.pt"), None, None)["mean"] == open_clip.OPENAI_DATASET_MEAN
