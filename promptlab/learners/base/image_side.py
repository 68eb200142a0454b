"""What learners share that change how the image tower sees an image, and so train on images."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner, Scorer


class ImageSideLearner(PromptLearner):
    """Logits are the backbone's of ``image_features(images)`` against ``text_features()``.

    Example:
        >>> import promptlab, torch
        >>> clip = promptlab.load_clip("demo")
        >>> class Plain(ImageSideLearner):  # whoever changes the image tower gives encode_images prompts or adapters
        ...     def image_features(self, images):
        ...         return self.clip.encode_images(images)
        ...
        ...     def text_features(self):
        ...         return self.clip.encode_texts(self.class_names)
        ...
        ...     def fit_plan(self):
        ...         return []
        >>> Plain(clip, ["red circle", "blue star"])(torch.zeros(3, 3, clip.image_size, clip.image_size)).shape
        torch.Size([3, 2])
    """

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
