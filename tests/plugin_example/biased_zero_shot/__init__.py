"""Zero-shot logits plus one learned bias per class."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptlab import FrozenCLIP, Optim, PromptLearner
from promptlab.learners import GradientStage, Stage
from promptlab.prompts import ClassTexts


class BiasedZeroShot(PromptLearner):
    """Learns which classes the hand-written prompts favour."""

    per_class = ("texts", "bias")

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str = "a photo of a {}.",
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.texts = ClassTexts(clip, class_names, template=template)  # their features are (C, D)
        self.bias = nn.Parameter(torch.zeros(len(class_names), device=clip.device))
        self.optim = optim or Optim(epochs=20, lr=0.1)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return self.clip.logits(image_features, self.texts.features) + self.bias

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the biases; cross-entropy is the loss unless ``loss`` is overridden."""
        return [GradientStage("bias", [self.bias], self.loss, self.optim)]
