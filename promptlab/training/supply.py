"""What each stage of a fit gets: batches for gradients, everything at once for closed forms, a score to choose by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from promptlab.data.items import Items
from promptlab.evaluation.evaluate import evaluate
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import require_preprocess, training_transform
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage
from promptlab.support.streams import stream, stream_seed
from promptlab.training.loaders import EpochLoader, FeatureLoader, ImageLoader
from promptlab.training.pictures import ImageDataset

Views = int | Literal["online"]


@dataclass(frozen=True)
class Supply:
    """The data of one fit.

    Args:
        learner: who asks.
        train: training items.
        val: validation items, or None.
        bank: where features are kept.
        views: see :func:`promptlab.training.fit.fit`.
        crop_scale: smallest and largest share of an image in a random view.
        seed: of all random streams.
    """

    learner: PromptLearner
    train: Items
    val: Items | None
    bank: FeatureBank
    views: Views
    crop_scale: tuple[float, float]
    seed: int

    def batches(self, stage: GradientStage) -> tuple[EpochLoader, Callable[[Tensor], Tensor] | None]:
        """A gradient stage's batches, and what still encodes them."""
        clip, optim = self.learner.clip, stage.optim
        common: dict[str, Any] = {
            "batch_size": optim.batch_size, "drop_last": optim.drop_last, "seed": self.seed, "stage": stage.name,
        }  # fmt: skip
        if self.learner.needs == "features" and self.views != "online":
            features = self._features(self.views)
            return FeatureLoader(features, self._labels(self.train, features), **common), None
        transform = require_preprocess(clip) if self.views == 0 else training_transform(clip, self.crop_scale)
        images = ImageDataset(self.train, transform, seed=stream_seed(self.seed, stage.name))
        return ImageLoader(images, **common), clip.encode_images if self.learner.needs == "features" else None

    def everything(self, stage: ClosedFormStage) -> tuple[Batch, Batch | None]:
        """A closed form's training batch, inputs (N, K, D), and its validation batch, inputs (N, D).

        Raises:
            ValueError: if there are no features to solve for.
        """
        if self.learner.needs == "images":
            raise ValueError(
                f"stage {stage.name!r} solves for features, but {type(self.learner).__name__} needs images"
            )
        if self.views == "online":
            raise ValueError(f"stage {stage.name!r} solves for all views at once: give a number of views, not 'online'")
        features = self._features(self.views)
        features = features if features.ndim == 3 else features.unsqueeze(1)
        train = Batch(features, self._labels(self.train, features), stream(self.seed, stage.name))
        return train, self._held_out(stage.name)

    def score(self, stage: GradientStage) -> Callable[[], float]:
        """What ``select="val"`` compares epochs by, larger is better."""

        def accuracy() -> float:
            assert self.val is not None
            score = evaluate(self.learner, self.val, self.bank).top1
            self.learner.train()
            return score

        def minus_loss() -> float:
            held_out = self._held_out(stage.name)
            assert held_out is not None
            with torch.no_grad():
                return -float(stage.loss(held_out))

        return accuracy if stage.chosen_by == "accuracy" else minus_loss

    def _held_out(self, name: str) -> Batch | None:
        if self.val is None or not len(self.val):
            return None
        features = self.bank.features(self.learner.clip, self.val).to(self.learner.clip.device)
        return Batch(features, self._labels(self.val, features), stream(self.seed, name, "val"))

    def _features(self, views: int) -> Tensor:
        clip = self.learner.clip
        return self.bank.features(clip, self.train, views=views, crop_scale=self.crop_scale).to(clip.device)

    @staticmethod
    def _labels(items: Items, like: Tensor) -> Tensor:
        return torch.from_numpy(items.labels).to(like.device)
