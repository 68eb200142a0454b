"""What learners share that score an image feature against one text feature per class."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner, Scorer


class TextSideLearner(PromptLearner):
    """Logits are the backbone's against ``text_features()``, which don't depend on the image.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> class Drawings(TextSideLearner):
        ...     def text_features(self):
        ...         return self.clip.encode_texts([f"a drawing of a {name}." for name in self.class_names])
        ...
        ...     def fit_plan(self):
        ...         return []
        >>> learner = Drawings(clip, ["red circle", "blue star"])
        >>> learner(learner.text_features()).argmax(dim=1).tolist()
        [0, 1]
    """

    @abstractmethod
    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return self.clip.logits(image_features, self.text_features())

    def scorer(self) -> Scorer:
        """The classifier with the text side computed once."""
        with torch.no_grad():
            return self.clip.classifier(self.text_features())
