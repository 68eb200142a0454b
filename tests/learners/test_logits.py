"""Logits belong to the backbone: one that adds a bias needs no change in any learner."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import FrozenCLIP
from promptlab.learners import (
    CLAP,
    GDA,
    IVLP,
    MMRL,
    MTA,
    SHIP,
    TCP,
    VPT,
    ZSLP,
    ATPrompt,
    Batch,
    CLIPAdapter,
    CLIPLoRA,
    ClosedFormStage,
    CoCoOp,
    CoOp,
    DePT,
    KgCoOp,
    LinearProbe,
    LPPlusPlus,
    MaPLe,
    MMRLPlusPlus,
    ProGrad,
    ProLIP,
    PromptKD,
    PromptSRC,
    TaskRes,
    TipAdapter,
    TipAdapterF,
    TwoStage,
    ZeroShot,
)
from tests.helpers.images import pictures
from tests.helpers.learners import LEARNERS, TEACHER
from tests.helpers.models import class_names, tiny_model
from tests.helpers.models import freeze as frozen

BIAS = -12.5
NAMES = class_names(4)
CASES = [
    (ZeroShot, {}),
    (CoOp, {"n_ctx": 3}),
    (CoOp, {"n_ctx": 3, "csc": True}),
    (CoCoOp, {}),
    (KgCoOp, {}),
    (MaPLe, {"depth": 2}),
    (CLIPAdapter, {}),
    (TipAdapter, {"search_step": (9, 7)}),
    (TipAdapterF, {"search_step": (9, 7)}),
    (GDA, {}),
    (ProGrad, {"n_ctx": 4}),
    (ProLIP, {}),
    (IVLP, {"prompt_depth_text": 2, "prompt_depth_vision": 2}),
    (VPT, {"prompt_depth_vision": 1}),
    (PromptSRC, {"prompt_depth_text": 2, "prompt_depth_vision": 2}),
    (TCP, {"layer": 3}),
    (CLIPLoRA, {}),
    (TwoStage, {}),
    (MMRL, {"first_layer": 1, "last_layer": 2, "rep_dim": 16}),
    (MMRLPlusPlus, {"first_layer": 1, "last_layer": 2, "rep_dim": 16}),
    (TaskRes, {}),
    (ZSLP, {}),
    (CLAP, {}),
    (ATPrompt, {"inner": CoOp, "attributes": ["color"]}),
    (PromptKD, {"teacher": TEACHER, "prompt_depth_vision": 1}),
    (MTA, {"test_views": 5}),
    (SHIP, {"inner": CoOp, "has_images": [True, True, True, False]}),
]


class Biased(FrozenCLIP):
    """Adds a number to every logit, as SigLIP does."""

    def logits(self, image_features, text_features):
        return super().logits(image_features, text_features) + BIAS

    def classifier(self, text_features):
        plain = super().classifier(text_features)
        return lambda image_features: plain(image_features) + BIAS

    def as_logits(self, similarities):
        return super().as_logits(similarities) + BIAS

    def as_similarities(self, logits):
        return super().as_similarities(logits - BIAS)


@pytest.fixture(scope="module")
def clips():
    plain = frozen(tiny_model())
    return plain, Biased(plain.model, plain.tokenizer, plain.preprocess, "biased")


def batch_for(learner):
    labels = torch.tensor([0, 1, 2, 1])
    if learner.needs == "images":
        return Batch(pictures()[:4], labels)
    width = learner.clip.dim if learner.reads == "projected" else learner.clip.pre_projection_width
    features = torch.randn(4, width, generator=torch.Generator().manual_seed(1))
    return Batch(F.normalize(features, dim=-1), labels)


@pytest.mark.parametrize(("kind", "arguments"), CASES)
def test_scores_shift_by_the_bias_and_losses_stay(clips, kind, arguments):
    """Cross-entropy over classes doesn't see what is added to all of them; KgCoOp's closeness is a cosine."""
    plain, biased = (kind(clip, NAMES, **arguments) for clip in clips)
    batch = batch_for(plain)
    with torch.no_grad():
        for learner in (plain, biased):
            for stage in learner.fit_plan():
                if isinstance(stage, ClosedFormStage):
                    stage.solve(batch._replace(inputs=batch.inputs.unsqueeze(1)), batch)
        for one, other in ((plain, biased), (plain.select([2, 0]), biased.select([2, 0]))):
            torch.testing.assert_close(other(batch.inputs), one(batch.inputs) + BIAS, atol=1e-4, rtol=0)
            torch.testing.assert_close(
                other.scorer()(batch.inputs), one.scorer()(batch.inputs) + BIAS, atol=1e-4, rtol=0
            )
        torch.testing.assert_close(biased.loss(batch), plain.loss(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [TipAdapter, TipAdapterF])
def test_tips_search_finds_the_same_pair(clips, kind):
    found = []
    for clip in clips:
        learner = kind(clip, NAMES, search_step=(9, 7))
        batch = batch_for(learner)
        for stage in learner.fit_plan():
            if isinstance(stage, ClosedFormStage):
                with torch.no_grad():
                    stage.solve(batch._replace(inputs=batch.inputs.unsqueeze(1)), batch)
        found.append((float(learner.alpha), float(learner.beta)))
    assert found[0] == found[1]


def test_similarities_come_back(clips):
    values = torch.linspace(-1, 1, 7)
    for clip in clips:
        torch.testing.assert_close(clip.as_similarities(clip.as_logits(values)), values)


def test_every_learner_that_scores_by_texts_is_a_case():
    """A probe knows no texts, LP++ learns how much a text counts, and DePT blends in a head that knows none."""
    assert {kind for kind, _ in LEARNERS.values()} - {LinearProbe, LPPlusPlus, DePT} == {kind for kind, _ in CASES}
