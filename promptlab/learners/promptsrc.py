"""PromptSRC: IVLP's prompts, held to the frozen CLIP by three terms and averaged over the epochs.

Paper: Self-regulating Prompts: Foundational Model Adaptation without Forgetting, https://arxiv.org/abs/2307.06948;
code: muzairkhattak/PromptSRC. With f, g the prompted image and text features, z their logits; e the plain CLIP's
feature of the same view of the image, h that of the class (60 templates, averaged before they are normalised), t their
logits:

``CE(z, y) + 25 mean |g - h| + 10 mean |f - e| + KL(softmax(t) || softmax(z)) / (B C)``

where means run over all entries, (C, D) and (B, D). What a fit leaves is the mean of the parameters that the epochs
1..T ended with, weighted by a Gaussian over the epochs (``gpa_mean``, ``gpa_std``).
What is learned: the prompts of IVLP.
Where promptlab departs: as IVLP; what is averaged are the learned tensors alone, and a resumed fit goes on with the
mean so far. The published settings differ by protocol and, in few-shot, by dataset: the YAML has the table, that the
authors' users switch by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.ivlp import IVLP, Depth, PromptCount
from promptlab.prompts.class_texts import SIXTY_TEMPLATES, ClassTexts
from promptlab.prompts.starting_context import ContextLength, ContextWords

Weight = Annotated[float, Interval(ge=0, le=10_000)]


class PromptSRC(IVLP):
    """IVLP with self-regulation.

    Args:
        clip: the frozen backbone; all but what follows as for :class:`IVLP`.
        class_names: names of the C classes.
        n_ctx_text: text prompts per layer.
        n_ctx_vision: image prompts per layer.
        prompt_depth_text: text layers with prompts.
        prompt_depth_vision: image layers with prompts.
        ctx_init: words to start from.
        text_loss_weight: of the distance from the plain text features.
        image_loss_weight: of the distance from the plain image features.
        gpa_mean: epoch, from 1, that counts most.
        gpa_std: how many epochs around it count.
        optim: optimiser and schedule.
        generator: source of the random start.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: for a number out of range, and as :class:`IVLP`.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> depths = {"prompt_depth_text": 2, "prompt_depth_vision": 2}
        >>> learner = promptlab.PromptSRC(clip, ["red circle", "blue star"], **depths)
        >>> len(learner.fit_plan()[0].epoch_weights)
        20
    """

    balances = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx_text: ContextLength = 4,
        n_ctx_vision: PromptCount = 4,
        prompt_depth_text: Depth = 9,
        prompt_depth_vision: Depth = 9,
        ctx_init: ContextWords | None = "a photo of a",
        text_loss_weight: Weight = 25.0,
        image_loss_weight: Weight = 10.0,
        gpa_mean: Annotated[float, Interval(ge=-100_000, le=100_000)] = 15.0,
        gpa_std: Annotated[float, Gt(0), Le(100_000)] = 1.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            clip, class_names, n_ctx_text=n_ctx_text, n_ctx_vision=n_ctx_vision, prompt_depth_text=prompt_depth_text,
            prompt_depth_vision=prompt_depth_vision, ctx_init=ctx_init, optim=optim, generator=generator,
        )  # fmt: skip
        self.text_loss_weight, self.image_loss_weight = text_loss_weight, image_loss_weight
        self.gpa_mean, self.gpa_std = gpa_mean, gpa_std
        self._taught: tuple[tuple[str, ...], Tensor] | None = None

    def teacher_texts(self) -> Tensor:
        """(C, D) L2-normalised: the plain CLIP's, made when they are first asked for."""
        if self._taught is None or self._taught[0] != self.class_names:
            texts = ClassTexts(self.clip, self.class_names, templates=SIXTY_TEMPLATES, normalised=False)
            self._taught = self.class_names, F.normalize(texts.features, dim=-1)
        return self._taught[1]

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, and what keeps features and logits near those of the plain CLIP."""
        with torch.no_grad():
            plain_images, plain_texts = self.clip.encode_images(batch.inputs), self.teacher_texts()
            plain = self.clip.logits(plain_images, plain_texts).log_softmax(-1)  # (B, C)
        images, texts = self.image_features(batch.inputs), self.text_features()
        logits = self.clip.logits(images, texts)
        of_texts, of_images = F.l1_loss(texts, plain_texts), F.l1_loss(images, plain_images)
        divergence = F.kl_div(logits.log_softmax(-1), plain, reduction="sum", log_target=True)
        loss = self.balance.cross_entropy(logits, batch.labels) + divergence / logits.numel()
        return loss + self.text_loss_weight * of_texts + self.image_loss_weight * of_images

    def fit_plan(self) -> list[Stage]:
        """IVLP's stage, which leaves a mean over its epochs."""
        weights = gaussian_weights(self.optim.epochs, self.gpa_mean, self.gpa_std)
        return [GradientStage("prompts", list(self.parameters()), self.loss, self.optim, epoch_weights=weights)]


def gaussian_weights(epochs: int, mean: float, std: float) -> tuple[float, ...]:
    """A weight for each of the epochs 1 to T, by a normal density; they sum to 1.

    Args:
        epochs: T.
        mean: where the density is largest.
        std: its width.

    Example:
        >>> [round(weight, 3) for weight in gaussian_weights(5, mean=3, std=1)]
        [0.054, 0.244, 0.403, 0.244, 0.054]
    """
    exponents = [-(((epoch - mean) / std) ** 2) / 2 for epoch in range(1, epochs + 1)]
    densities = [math.exp(exponent - max(exponents)) for exponent in exponents]
    return tuple(density / sum(densities) for density in densities)
