"""How a class that comes later is made of its pictures, and how each of these is scored without itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlab.data.items import Items
from promptlab.evaluation.evaluate import logits_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner


@dataclass(frozen=True, kw_only=True, eq=False)
class NewClass:
    """How a class is made of pictures.

    Args:
        learner: before it.
        name: the class's.
        template: the hand-written prompt.
        others: (N, D) features of pictures of the learner's classes.
    """

    learner: PromptLearner
    name: str
    template: str
    others: Tensor

    def of(self, images: Tensor) -> tuple[PromptLearner, str]:
        """The learner with the class, and what was made of its images (n, D), in words."""
        return self.learner.with_class(self.name, images, self.others, self.template)

    def own_logits(self, grown: PromptLearner, images: Tensor, own: Items, bank: FeatureBank) -> Tensor:
        """Logits (n, C + 1) of the class's n pictures: each by what the others make, where pictures count."""
        if not self.learner.keeps_images or not len(images):
            return logits_of(grown, own, bank)
        rows = []
        for place in range(len(images)):
            without, _ = self.of(torch.cat([images[:place], images[place + 1 :]]))
            rows.append(logits_of(without, own.take([place]), bank))
        return torch.cat(rows)
