"""Logits belong to the backbone: one that adds a bias needs no change in any learner."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from promptlab.learners import (
    APE,
    APET,
    CLAP,
    GDA,
    IVLP,
    MMRL,
    MTA,
    PLOT,
    SHIP,
    TCP,
    TPT,
    VPT,
    ZSLP,
    ATPrompt,
    Batch,
    CLIPAdapter,
    CLIPLoRA,
    ClosedFormStage,
    CoCoOp,
    CoOp,
    CoPrompt,
    CrossModal,
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
    TransCLIP,
    TransCLIPFewShot,
    TwoStage,
    ZeroShot,
    ZLaP,
    ZLaPInductive,
)
from promptlab.learners.base.short_fit import as_seen, gradient_stages
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
    (CoPrompt, {"depth": 2}),
    (CLIPAdapter, {}),
    (TipAdapter, {"search_step": (9, 7)}),
    (TipAdapterF, {"search_step": (9, 7)}),
    (GDA, {}),
    (APE, {"search_step": (9, 7, 3)}),
    (APET, {"search_step": (9, 7, 3)}),
    (ProGrad, {"n_ctx": 4}),
    (ProLIP, {}),
    (IVLP, {"prompt_depth_text": 2, "prompt_depth_vision": 2}),
    (VPT, {"prompt_depth_vision": 1}),
    (PLOT, {"n_ctx": 2, "add_global": True}),
    (PromptSRC, {"prompt_depth_text": 2, "prompt_depth_vision": 2}),
    (TCP, {"layer": 3}),
    (CLIPLoRA, {}),
    (TwoStage, {}),
    (MMRL, {"first_layer": 1, "last_layer": 2, "rep_dim": 16}),
    (MMRLPlusPlus, {"first_layer": 1, "last_layer": 2, "rep_dim": 16}),
    (TaskRes, {}),
    (CrossModal, {}),
    (ZSLP, {}),
    (CLAP, {}),
    (ATPrompt, {"inner": CoOp, "attributes": ["color"]}),
    (PromptKD, {"teacher": TEACHER, "prompt_depth_vision": 1}),
    (MTA, {"test_views": 5}),
    (TPT, {"test_views": 5}),
    (TransCLIP, {}),
    (TransCLIPFewShot, {}),
    (ZLaP, {}),
    (SHIP, {"inner": CoOp, "has_images": [True, True, True, False]}),
]


@pytest.fixture(scope="module")
def clips():
    """A model, and the same with a bias on every logit, as SigLIP has one."""
    plain, biased = frozen(tiny_model()), tiny_model()
    biased.logit_bias = nn.Parameter(torch.tensor(BIAS))
    return plain, frozen(biased)


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
        stages = gradient_stages(plain)
        seen = as_seen(stages[0], batch) if stages else batch
        losses = [learner.loss(seen) for learner in (biased, plain)]
        torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)


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
    """A probe knows no texts, LP++ learns how much a text counts, DePT blends in a head that knows none, and inductive
    ZLaP reads cosines."""
    others = {LinearProbe, LPPlusPlus, DePT, ZLaPInductive}
    assert {kind for kind, _ in LEARNERS.values()} - others == {kind for kind, _ in CASES}
