"""Zero-shot logits plus one learned bias per class."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptlab import FrozenCLIP, Optim, PromptLearner
from promptlab.learners import GradientStage


class BiasedZeroShot(PromptLearner):
    """Learns which classes the hand-written prompts favour."""

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str = "a photo of a {}.",
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.text = clip.encode_texts([template.replace("{}", name) for name in class_names])  # (C, D)
        self.bias = nn.Parameter(torch.zeros(len(class_names), device=clip.device))
        self.optim = optim or Optim(epochs=20)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return self.clip.logit_scale * image_features @ self.text.T + self.bias

    def fit_plan(self) -> list[GradientStage]:
        """One gradient stage over the biases; cross-entropy is the loss unless ``loss`` is overridden."""
        return [GradientStage("bias", [self.bias], self.loss, self.optim)]

    def select(self, class_indices: Sequence[int]) -> "BiasedZeroShot":
        """Some of the known classes, with their biases."""
        chosen = self._relabelled([self.class_names[i] for i in class_indices])
        chosen.text = self.text[list(class_indices)]
        chosen.bias = nn.Parameter(self.bias[list(class_indices)].detach())
        return chosen
