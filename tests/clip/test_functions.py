"""A user's own model, of which nothing is known but ``encode_image`` and ``encode_text``."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import FrozenCLIP, UnsupportedBackboneError
from promptlab.learners import Batch, CLIPAdapter, ClosedFormStage, CoOp, LinearProbe, MaPLe, TipAdapter, ZeroShot
from tests.helpers.images import pictures
from tests.helpers.models import tiny_clip

NAMES = ["red star", "blue boat", "old tree"]


def wrapped(plain, **arguments):
    given = {"preprocess": plain.preprocess, "name": "mine", "weights": plain.model, "logit_scale": plain.logit_scale}
    return FrozenCLIP.from_functions(
        plain.model.encode_image,
        lambda texts: plain.model.encode_text(plain.tokenizer(texts)),
        **(given | arguments),
    )


@pytest.fixture(scope="module")
def clips():
    plain = tiny_clip()
    return plain, wrapped(plain)


def test_features_and_logits_are_the_functions(clips):
    plain, own = clips
    for encode in (
        lambda clip: clip.encode_images(pictures()),
        lambda clip: clip.encode_texts(["a cat"]),
        lambda clip: clip.encode_texts(["a cat", "dogs"], normalised=False),
    ):
        torch.testing.assert_close(encode(own), encode(plain), atol=1e-5, rtol=1e-5)
    assert (own.dim, own.image_size, own.image_mean) == (plain.dim, plain.image_size, plain.image_mean)
    assert own.logit_scale == pytest.approx(plain.logit_scale)
    assert own.source is None
    assert "mine" in repr(own)


@pytest.mark.parametrize("kind", [ZeroShot, TipAdapter, CLIPAdapter, LinearProbe])
def test_learners_of_features_score_as_on_the_model_itself(clips, kind):
    scores = []
    for clip in clips:
        learner = kind(clip, NAMES)
        batch = Batch(F.normalize(clip.encode_images(pictures()), dim=-1)[:3], torch.arange(3))
        for stage in learner.fit_plan():
            if isinstance(stage, ClosedFormStage):
                stage.solve(batch._replace(inputs=batch.inputs.unsqueeze(1)), batch)
        scores.append(learner(batch.inputs))
    torch.testing.assert_close(*scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (CoOp, r"mine can't take prompt vectors: it is made of functions .* encode_text takes whole texts"),
        (MaPLe, "mine can't take"),
    ],
)
def test_prompt_learners_refuse_it_with_the_reason(clips, kind, message):
    with pytest.raises(UnsupportedBackboneError, match=message):
        kind(clips[1], NAMES)


def test_weights_tell_models_apart(clips):
    plain, own = clips
    named = wrapped(plain, weights="one")
    assert named.fingerprint == wrapped(plain, weights="one").fingerprint
    assert len({named.fingerprint, wrapped(plain, weights="other").fingerprint, own.fingerprint}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"), [({"logit_scale": 0}, "logit_scale=0"), ({"weights": ""}, "weights is empty")]
)
def test_what_cannot_be_is_refused(clips, arguments, message):
    with pytest.raises(ValueError, match=message):
        wrapped(clips[0], **arguments)
