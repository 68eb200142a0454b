"""CoCoOp's training step: the prompts of a batch together against the loop, one image a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.bench.cases import Case, Trained, sgd
from promptlab.bench.equal import Answer
from promptlab.bench.flops import text_work
from promptlab.bench.reference import PlainPrompts, cocoop_logits
from promptlab.bench.report import OURS
from promptlab.bench.settings import Inputs, Settings, inputs
from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.cocoop import CoCoOp

CHECKED = 2
"""Images on which a batch is held equal to the loop, whose every image costs a full-length encoding of all classes."""


def cases(settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> list[Case]:
    """Steps of the batch asked for, and of single images.

    Args:
        settings: C, M, B.
        clip: the backbone.
        encoded: see :func:`promptlab.bench.settings.inputs`.
    """
    learner = CoCoOp(clip, settings.names(), n_ctx=settings.n_ctx, ctx_init=None)
    prompts = PlainPrompts(clip, settings.names(), settings.n_ctx)
    batch = inputs(settings, clip, encoded=encoded)
    sizes = dict.fromkeys((settings.batch, 1))
    return [_case(replace(settings, batch=size), learner, prompts, batch) for size in sizes]


def _case(settings: Settings, learner: CoCoOp, prompts: PlainPrompts, batch: Inputs) -> Case:
    clip, B = learner.clip, settings.batch

    def features_of(batch: Inputs) -> Tensor:
        contexts = learner.ctx + learner.meta_net(batch.features).unsqueeze(1)  # (B, M, E)
        with torch.no_grad():
            return learner.prompts.encode_for_images(contexts).flatten(0, 1)  # (B * C, D)

    def plain_features_of(batch: Inputs) -> Tensor:
        with torch.no_grad():
            return torch.cat([prompts.encode(learner.ctx + shift) for shift in learner.meta_net(batch.features)])

    def ours(batch: Inputs) -> dict[str, Tensor]:
        logits = learner(batch.features)
        return {"logits": logits, "loss": F.cross_entropy(logits, batch.labels)}

    def plain(batch: Inputs) -> dict[str, Tensor]:
        features = clip.encode_images(batch.images)
        logits = cocoop_logits(prompts, learner.ctx, learner.meta_net, features)
        return {"logits": logits, "loss": F.cross_entropy(logits, batch.labels)}

    def trained(answer: Callable[[Inputs], dict[str, Tensor]], size: int) -> Trained:
        few = Inputs(*(tensor[:size] for tensor in batch))
        return Trained(learner.named_parameters(), sgd, partial(answer, few))

    def answers() -> tuple[Answer, Answer]:
        few = Inputs(*(tensor[: min(B, CHECKED)] for tensor in batch))
        size = len(few.labels)
        mine = {**trained(ours, size)(), "features": features_of(few)}
        theirs = {**trained(plain, size)(), "features": plain_features_of(few)}
        whole = learner(batch.features[:B])[:size]  # the batch that is timed, where it meets the checked images
        return {**mine, "logits": torch.cat([mine["logits"], whole])}, {
            **theirs,
            "logits": torch.cat([theirs["logits"], theirs["logits"]]),
        }

    plan = learner.prompts.for_images(learner.ctx.detach().expand(B, -1, -1))[2]
    return Case(
        f"per image, batch {B}, {settings.classes} classes, M={settings.n_ctx}",
        trained(ours, B),
        trained(plain, 1),
        answers=answers,
        per={OURS: B},
        work=text_work(clip.text_tower, plan, prefix_learned=True, tails_learned=False),
        memory=True,
        note=f"the plain step takes one image and encodes it; held equal on {min(B, CHECKED)}",
    )
