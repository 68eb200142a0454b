"""How a model's cosine similarities become the logits that it was trained with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor


class CosineLogits:
    """Logits are cosine similarities times a factor, as CLIP has them, plus a bias where a model has one.

    A bias (SigLIP's) makes the sigmoid of a logit the model's own score of an image and a text. It is the same for all
    classes: argmax, softmax and cross-entropy over classes, by which learners train, are what they are without it.

    Learners score through these methods alone, so a model that does otherwise changes them and no learner.

    Example:
        >>> import promptlab, torch
        >>> clip = promptlab.load_clip("demo")
        >>> texts = clip.encode_texts(["a photo of a red star.", "a photo of a blue circle."])
        >>> clip.logits(texts, texts).argmax(-1).tolist()
        [0, 1]
        >>> bool(clip.as_similarities(clip.as_logits(torch.tensor(0.5))) == 0.5)
        True
    """

    @property
    @abstractmethod
    def logit_scale(self) -> float:
        """Factor on cosine similarities."""

    @property
    @abstractmethod
    def logit_bias(self) -> float:
        """What is added to a logit; 0 for models that were trained by softmax."""

    def logits(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D) against text features (C, D), both L2-normalised."""
        return self._biased(self.logit_scale * image_features @ text_features.T)

    def classifier(self, text_features: Tensor) -> Callable[[Tensor], Tensor]:
        """:meth:`logits` against text features (C, D) that stay: a function of image features (B, D)."""
        weights = self.logit_scale * text_features.T  # (D, C)
        return lambda image_features: self._biased(image_features @ weights)

    def as_logits(self, similarities: Tensor) -> Tensor:
        """Logits of cosine similarities, of any shape."""
        return self._biased(self.logit_scale * similarities)

    def as_similarities(self, logits: Tensor) -> Tensor:
        """Cosine similarities that became these logits, of any shape: the inverse of :meth:`as_logits`."""
        return (logits - self.logit_bias if self.logit_bias else logits) / self.logit_scale

    def _biased(self, scaled: Tensor) -> Tensor:
        return scaled + self.logit_bias if self.logit_bias else scaled
