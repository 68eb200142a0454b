"""What a learner compares: image features and text features of their own lengths, for learners around it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class Sides(NamedTuple):
    """Features of both towers as long as they make them, whose cosine similarities a learner's logits are of.

    Args:
        images: (B, D).
        texts: (C, D), or (B, C, D) where every image has text features of its own.

    Example:
        >>> import torch
        >>> Sides(2 * torch.eye(2), 3 * torch.eye(2)).similarities().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        >>> Sides(torch.ones(2, 4), torch.arange(12.0).view(3, 4)).texts_of(torch.tensor([2, 0])).shape
        torch.Size([2, 4])
    """

    images: Tensor
    texts: Tensor

    def similarities(self) -> Tensor:
        """Cosine similarities (B, C)."""
        images, texts = F.normalize(self.images, dim=-1), F.normalize(self.texts, dim=-1)
        return images @ texts.T if texts.ndim == 2 else (images.unsqueeze(1) * texts).sum(-1)

    def texts_of(self, labels: Tensor) -> Tensor:
        """The text feature (B, D) of each image's class (B,)."""
        if self.texts.ndim == 2:
            return self.texts[labels]
        return self.texts.gather(1, labels.view(-1, 1, 1).expand(-1, 1, self.texts.shape[-1])).squeeze(1)
