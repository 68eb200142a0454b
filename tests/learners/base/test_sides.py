"""What learners around a prompt learner get of it: features of both towers with their lengths."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import CoCoOp, CoOp, KgCoOp, MaPLe, TipAdapter
from promptlab.learners.base.contract import LearnerContract
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.toys import Decoupled

INNER = [CoOp, partial(CoOp, csc=True), KgCoOp, CoCoOp, partial(MaPLe, depth=2)]
NAMES = class_names(4)


@pytest.mark.parametrize("inner", INNER)
def test_sides_are_what_the_logits_compare_with_the_towers_lengths(inner):
    clip = tiny_clip()
    learner = inner(clip, NAMES)
    raw = clip.encode_images(pictures(), normalised=False)
    images = learner.needs == "images"
    sides = learner.sides(pictures() if images else raw)
    logits = learner(pictures() if images else F.normalize(raw, dim=-1))
    torch.testing.assert_close(clip.as_logits(sides.similarities()), logits, atol=1e-3, rtol=1e-4)
    if not images:
        assert torch.equal(sides.images, raw)
    assert (sides.texts.norm(dim=-1) - 1).abs().min() > 0.01
    labels = torch.tensor([3, 0, 1, 1])
    of_classes = sides.texts_of(labels)
    for image, label in enumerate(labels):
        row = sides.texts[label] if sides.texts.ndim == 2 else sides.texts[image, label]
        assert torch.equal(of_classes[image], row)


def test_learners_that_compare_no_features_say_so():
    with pytest.raises(TypeError, match="TipAdapter doesn't say which features of both towers it compares"):
        TipAdapter(tiny_clip(), NAMES).sides(torch.zeros(1, 48))


class Around(Decoupled):
    normalised = False  # the contract asks the class which batch to make


class TestAroundCoOp(LearnerContract):
    learner, arguments = Around, {"inner": CoOp}
    test_a_new_process_scores_the_same = None


class TestAroundCoCoOp(LearnerContract):
    learner, arguments = Around, {"inner": CoCoOp}
    test_a_new_process_scores_the_same = None


class TestAroundKgCoOp(LearnerContract):
    learner, arguments = Around, {"inner": KgCoOp}
    test_a_new_process_scores_the_same = None


class TestAroundMaPLe(LearnerContract):
    class OfImages(Around):
        needs = "images"

    learner, arguments = OfImages, {"inner": partial(MaPLe, depth=2)}
    test_a_new_process_scores_the_same = None
