"""The step of SHIP's generator: every sample has a prompt of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from promptlab.bench.cases import Case, Trained, adamw
from promptlab.bench.equal import GRADIENT, Answer
from promptlab.bench.flops import text_work
from promptlab.bench.reference import PlainPrompts, ship_loss
from promptlab.bench.settings import Settings, inputs
from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.stages import Batch
from promptlab.learners.coop import CoOp
from promptlab.learners.ship.decoders import PromptDecoder
from promptlab.learners.ship.generators import VAE
from promptlab.learners.ship.learner import SHIP


def cases(settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> list[Case]:
    """The text side alone, and the generator's step; both sides on cached features.

    Args:
        settings: C, M, B.
        clip: the backbone.
        encoded: see :func:`promptlab.bench.settings.inputs`.
    """
    half = (settings.classes + 1) // 2
    has_images = [i < half for i in range(max(settings.classes, 2))]
    names = settings.names() if settings.classes > 1 else [*settings.names(), "red dog"]
    learner = SHIP(clip, names, inner=CoOp, has_images=has_images, n_ctx=settings.n_ctx)
    vae = learner.generator
    assert isinstance(vae, VAE)
    decoder = vae.decoder
    assert isinstance(decoder, PromptDecoder)
    prompts = PlainPrompts(clip, names, settings.n_ctx)
    _, features, _ = inputs(settings, clip, encoded=encoded)
    labels = torch.arange(settings.batch, device=clip.device) % half
    noise = torch.Generator()
    draw = torch.randn(settings.batch, clip.dim, generator=noise.manual_seed(2)).to(clip.device)
    weights = torch.randn(settings.batch, clip.dim, generator=torch.Generator().manual_seed(1)).to(clip.device)
    contexts = decoder.contexts(draw).detach().requires_grad_()  # (B, M, E)

    def text_side(features: Tensor) -> Answer:
        (gradient,) = torch.autograd.grad((features * weights).sum(), contexts)
        return {"features": features, GRADIENT + "contexts": gradient}

    def ours() -> dict[str, Tensor]:
        return {"loss": vae.loss(Batch(features, labels, noise.manual_seed(2)))}

    def plain() -> dict[str, Tensor]:
        return {"loss": ship_loss(prompts, vae, features, labels, draw)}

    plan = decoder.prompts.for_samples(contexts, labels)[2]
    return [
        Case(
            f"text side, batch {settings.batch}, M={settings.n_ctx}",
            lambda: text_side(decoder.prompts.encode_for_samples(contexts, labels)),
            lambda: text_side(prompts.encode(contexts, labels)),
            work=text_work(clip.text_tower, plan, prefix_learned=False, tails_learned=True),
        ),
        Case(
            f"generator step, batch {settings.batch}",
            Trained(vae.named_parameters(), adamw, ours),
            Trained(vae.named_parameters(), adamw, plain),
            memory=True,
            note="both sides on cached features",
        ),
    ]
