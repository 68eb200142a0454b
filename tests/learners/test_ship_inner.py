"""SHIP around every learner that reads features: what trains on made-up features, and what is refused and why."""

import inspect
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F

import promptlab.learners
from promptlab.learners import (
    APE,
    APET,
    CLAP,
    GDA,
    MTA,
    SHIP,
    TCP,
    TPT,
    ZSLP,
    ATPrompt,
    Batch,
    CLIPAdapter,
    ClosedFormStage,
    CoCoOp,
    CoOp,
    CrossModal,
    DePT,
    KgCoOp,
    LinearProbe,
    LPPlusPlus,
    ProGrad,
    ProLIP,
    PromptLearner,
    TaskRes,
    TipAdapter,
    TipAdapterF,
    TransCLIP,
    TransCLIPFewShot,
    Wrapper,
    ZeroShot,
    ZLaP,
    ZLaPInductive,
)
from promptlab.learners.base.short_fit import short_fit
from promptlab.learners.ship.learner import MEAN_LENGTH
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.settings import settings_of

SEEN, NAMES = 3, class_names(5)
TRAINS = {
    "coop": partial(CoOp, n_ctx=2),
    "coop of each class": partial(CoOp, n_ctx=2, csc=True),
    "cocoop": partial(CoCoOp, n_ctx=2, ctx_init=None),
    "kgcoop": partial(KgCoOp, n_ctx=2, ctx_init=None),
    "prograd": partial(ProGrad, n_ctx=4),
    "tcp": partial(TCP, layer=3, n_ctx=2),
    "atprompt": partial(ATPrompt, inner=partial(CoOp, n_ctx=2), attributes=["color"]),
    "dept": partial(DePT, inner=partial(CoOp, n_ctx=2)),
    "clip-adapter": CLIPAdapter,
    "tip-adapter": partial(TipAdapter, search=False),
    "tip-adapter-f": partial(TipAdapterF, search=False),
    "taskres": TaskRes,
    "zs-lp": ZSLP,
    "clap": CLAP,
    "lp++": partial(LPPlusPlus, epochs=5, choose_epoch=False),
    "gda": partial(GDA, alpha=1.0),
    "linear probe": partial(LinearProbe, c=1.0),
    "cross-modal": CrossModal,
    "ape": partial(APE, search=False),
    "ape-t": partial(APET, search=False),
}
"""Learners that can be trained on features of classes without images. All but DePT read directions, as SHIP makes them;
those with tensors of each class learn them for new classes too, closed forms get ``n_synth`` rows a class."""
REFUSED = {
    ProLIP: "features of the joint space, by the text tower, but ProLIP reads those in front of the image projection",
    MTA: "MTA",
    TPT: "TPT",
    TransCLIP: "TransCLIP",
    TransCLIPFewShot: "TransCLIPFewShot",
    ZLaP: "ZLaP",
}
"""ProLIP trains what is behind the features that it reads; the others adapt to test images."""
NOTHING_TRAINS = {ZeroShot, ZLaPInductive}


def ship(clip, inner):
    return SHIP(clip, NAMES, inner=inner, has_images=[label < SEEN for label in range(len(NAMES))])


def batch_of(clip, inner):
    generator = torch.Generator().manual_seed(1)
    x = F.normalize(torch.randn(12, clip.dim, generator=generator), dim=-1)
    lengths = torch.linspace(5, 15, 12).unsqueeze(1) if not inner.normalised else 1
    return Batch(lengths * x, torch.arange(12) % SEEN, generator)


def recorded(stage, seen):
    """The stage, with each batch that it trains on noted."""
    if isinstance(stage, ClosedFormStage):
        return replace(stage, solve=lambda train, val: seen.append(train) or stage.solve(train, val))
    return replace(stage, loss=lambda batch: seen.append(batch) or stage.loss(batch))


@pytest.mark.parametrize("name", TRAINS)
def test_new_classes_train_by_made_up_features(name):
    clip = tiny_clip()
    learner, seen = ship(clip, TRAINS[name]), []
    batch, plan = batch_of(clip, learner), learner.inner.fit_plan
    learner.inner.fit_plan = lambda: [recorded(stage, seen) for stage in plan()]
    before = {key: tensor.clone() for key, tensor in learner.inner.state_dict().items()}
    short_fit(learner, batch)
    assert seen
    for trained in seen:
        labels, rows = trained.labels.tolist(), trained.inputs.flatten(1)
        assert set(labels) & {0, 1, 2}
        assert set(labels) & {3, 4}
        if len(trained.inputs) == 24:  # of a gradient stage: as many as real ones
            torch.testing.assert_close(rows[:12], batch.inputs)
        made = trained.inputs.flatten(0, -2)[[label >= SEEN for label in labels]]
        length = 1.0 if learner.normalised else float(batch.inputs.norm(dim=-1).mean())
        torch.testing.assert_close(made.norm(dim=-1), torch.full((len(made),), length), rtol=1e-4, atol=0)
    for key, tensor in learner.inner.state_dict().items():
        of_classes = tensor.shape[:1] == (len(NAMES),) and before[key].shape == tensor.shape
        if of_classes and tensor.is_floating_point():
            changed = (tensor != before[key]).flatten(1).any(1) if tensor.ndim > 1 else tensor != before[key]
            assert changed[SEEN:].all(), f"{key} of new classes didn't change"
    logits = learner.eval()(batch.inputs)
    assert logits.shape == (12, len(NAMES))
    assert logits.isfinite().all()


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_not_is_refused_with_its_reason(kind):
    with pytest.raises(ValueError, match=REFUSED[kind]):
        ship(tiny_clip(), kind)


def test_every_learner_of_features_is_decided():
    """A new one gets a line in TRAINS or REFUSED."""
    offered = [getattr(promptlab.learners, name) for name in promptlab.learners.__all__]
    kinds = {kind for kind in offered if inspect.isclass(kind) and issubclass(kind, PromptLearner)} - {SHIP}
    features = {kind for kind in kinds if kind.needs == "features" and not inspect.isabstract(kind)}
    decided = {inner.func if isinstance(inner, partial) else inner for inner in TRAINS.values()}
    assert features == decided | set(REFUSED) | NOTHING_TRAINS
    assert {kind for kind in decided if issubclass(kind, Wrapper)} == {ATPrompt, DePT}


def test_made_up_lengths_are_said():
    clip = tiny_clip()
    assert ship(clip, TRAINS["dept"]).notes == (MEAN_LENGTH,)
    assert ship(clip, TRAINS["taskres"]).notes == ()
    assert SHIP.facts(DePT.facts(CoOp.facts())).normalised is False
    learner = settings_of(["learner=ship", "inner=dept"]).learner
    assert learner.label == "ship-dept-coop"


def test_the_generator_learns_directions():
    clip = tiny_clip()
    learner = ship(clip, TRAINS["dept"])
    batch = batch_of(clip, learner)
    generator = learner.fit_plan()[0]
    losses = [
        generator.loss(batch._replace(inputs=scale * batch.inputs, generator=torch.Generator().manual_seed(0)))
        for scale in (1, 3)
    ]
    torch.testing.assert_close(*losses)
