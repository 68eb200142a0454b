"""CoOp's text side and its training step: cached features against images encoded in every step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.bench.cases import Case, Trained, sgd
from promptlab.bench.equal import GRADIENT, Answer
from promptlab.bench.flops import text_work
from promptlab.bench.reference import PlainPrompts, coop_logits
from promptlab.bench.settings import Settings, inputs
from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.stages import Batch
from promptlab.learners.coop import CoOp


def cases(settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> list[Case]:
    """The text side alone, and the training step.

    Args:
        settings: C, M, B.
        clip: the backbone.
        encoded: see :func:`promptlab.bench.settings.inputs`.
    """
    learner = CoOp(clip, settings.names(), n_ctx=settings.n_ctx)
    prompts = PlainPrompts(clip, settings.names(), settings.n_ctx)
    images, features, labels = inputs(settings, clip, encoded=encoded)
    weights = torch.randn(settings.classes, clip.dim, generator=torch.Generator().manual_seed(1)).to(clip.device)

    def text_side(features: Tensor) -> Answer:
        (gradient,) = torch.autograd.grad((features * weights).sum(), learner.ctx)
        return {"features": features, GRADIENT + "ctx": gradient}

    def ours() -> dict[str, Tensor]:
        logits = learner(features)
        return {"logits": logits, "loss": F.cross_entropy(logits, labels)}

    def plain() -> dict[str, Tensor]:
        logits = coop_logits(prompts, learner.ctx, images)
        return {"logits": logits, "loss": F.cross_entropy(logits, labels)}

    plan = learner.prompts(learner.ctx)[2]
    work = text_work(clip.text_tower, plan, prefix_learned=True, tails_learned=False)
    named = [("ctx", learner.ctx)]
    return [
        Case(
            f"text side, {settings.classes} classes, M={settings.n_ctx}",
            lambda: text_side(learner.text_features()),
            lambda: text_side(prompts.encode(learner.ctx)),
            work=work,
        ),
        Case(
            f"training step, batch {settings.batch}",
            Trained(named, sgd, ours),
            Trained(named, sgd, plain),
            memory=True,
            note="promptlab's features are cached, the plain step encodes its images",
        ),
    ]


def step(settings: Settings, clip: FrozenCLIP) -> Trained:
    """The training step of promptlab alone, on random features."""
    learner = CoOp(clip, settings.names(), n_ctx=settings.n_ctx)
    _, features, labels = inputs(settings, clip, encoded=False)
    return Trained(
        [("ctx", learner.ctx)],
        sgd,
        lambda: {"loss": learner.loss(Batch(features, labels))},
    )
