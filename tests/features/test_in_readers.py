"""What readers make of a picture equals the backbone's own transform to the bit."""

import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import Compose, Grayscale, Normalize, ToTensor

import promptlab
from promptlab.features.in_readers import in_readers

COLOURS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (61, 83, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_open_clips_transforms_to_the_bit_and_without_torch(mode, monkeypatch):
    preprocess = image_transform(40, is_train=False, mean=COLOURS[0], std=COLOURS[1], resize_mode=mode)
    expected = preprocess(PICTURE)
    monkeypatch.setattr("torchvision.transforms.functional.to_tensor", None)
    monkeypatch.setattr("torchvision.transforms.functional.normalize", None)
    found = in_readers(preprocess)(PICTURE)
    assert torch.equal(found, expected)
    assert found.is_contiguous()


def test_any_other_transform_is_left_as_it_is():
    for other in (Compose([Grayscale(3), ToTensor()]), Normalize(*COLOURS), lambda picture: torch.zeros(3, 4, 4)):
        assert in_readers(other) is other


def test_predict_reads_without_torchs_threads(tmp_path, monkeypatch):
    PICTURE.save(tmp_path / "one.png")
    learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["circle", "star"])
    expected = promptlab.predict(learner, PICTURE)
    monkeypatch.setattr("torchvision.transforms.functional.to_tensor", None)
    (row,) = promptlab.predict_stream(learner, [tmp_path / "one.png"])
    assert row.error is None
    assert row.probability == expected.probabilities[0].max().item()
