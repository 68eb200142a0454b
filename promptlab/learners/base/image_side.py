"""What learners share that change how the image tower sees an image, and so train on images."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner, Scorer


class ImageSideLearner(PromptLearner):
    """Logits are the backbone's of ``image_features(images)`` against ``text_features()``."""

    needs = "images"

    @abstractmethod
    def image_features(self, images: Tensor) -> Tensor:
        """(B, D) L2-normalised, of images (B, 3, H, W)."""

    @abstractmethod
    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        return self.clip.logits(self.image_features(images), self.text_features())

    def scorer(self) -> Scorer:
        """The classifier with the text side computed once."""
        with torch.no_grad():
            classify = self.clip.classifier(self.text_features())
        return lambda images: classify(self.image_features(images))
