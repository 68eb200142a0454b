"""What each stage of a fit gets: batches for gradients, everything at once for closed forms, a score to choose by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptlab.data.amounts import Views, Workers
from promptlab.data.items import Items
from promptlab.evaluation.evaluate import evaluate
from promptlab.evaluation.test_time import encoded
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import TrainingPixels, require_preprocess, training_transform
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Augmentation, Batch, ClosedFormStage, GradientStage, Stage, View
from promptlab.support.random_streams import stream, stream_seed
from promptlab.training.comparison import Comparison
from promptlab.training.decoder import workers_for
from promptlab.training.image_loader import ImageLoader
from promptlab.training.kept_states import kept_states
from promptlab.training.loaders import EpochLoader, FeatureLoader
from promptlab.training.pictures import ImageDataset, Pictures, Plain, SeveralViews
from promptlab.training.rows import FeaturePool, count_of


@dataclass(frozen=True)
class StageData:
    """The data of one fit.

    Args:
        learner: who asks.
        train: training items.
        val: validation items, or None.
        unlabelled: items whose labels aren't read, or None.
        bank: where features are kept.
        views: see :func:`promptlab.training.fit.fit`.
        crop_scale: smallest and largest share of an image in a random view.
        seed: of all random streams.
        workers: processes that decode pictures.
        test_accuracy: what ``select="test"`` compares epochs by.
    """

    learner: PromptLearner
    train: Items
    val: Items | None
    unlabelled: Items | None
    bank: FeatureBank
    views: Views
    crop_scale: tuple[float, float]
    seed: int
    workers: Workers = 0
    test_accuracy: Callable[[], float] | None = None

    def require(self, stage: Stage, select: str) -> None:
        """Refuse a stage that asks for what the fit hasn't got.

        Raises:
            ValueError: with what is missing and what to do.
        """
        name = type(self.learner).__name__
        if stage.uses_unlabelled and not self.learner.uses_unlabelled:
            raise ValueError(f"stage {stage.name!r} uses unlabelled images: {name} must say uses_unlabelled = True")
        if stage.uses_unlabelled and (self.unlabelled is None or not len(self.unlabelled)):
            raise ValueError(f"stage {stage.name!r} of {name} uses unlabelled images, and the fit has none: give "
                             "fit(..., unlabelled=items)")  # fmt: skip
        views = stage.views if isinstance(stage, GradientStage) else ()
        if "random" in views and self.views == 0:
            raise ValueError(f"stage {stage.name!r} shows random views of images, and views=0 has none: give a number "
                             "of views, or views=online")  # fmt: skip
        if isinstance(stage, GradientStage) and stage.draws in ("pool", "views_in_turn") and not self._cached:
            raise ValueError(f"stage {stage.name!r} draws {stage.draws} of views that are kept: give a number of "
                             "views, to a learner that reads features")  # fmt: skip
        if self._cached and any(callable(view) for view in views):
            raise ValueError(f"stage {stage.name!r} makes views of its own of the images: give views=online")
        by_loss = select == "val" and isinstance(stage, GradientStage) and stage.chosen_by == "loss"
        if by_loss and (views or stage.uses_unlabelled):
            raise ValueError(f"stage {stage.name!r} can't be chosen by its loss: validation images have one view and "
                             "labels")  # fmt: skip

    def batches(self, stage: GradientStage) -> tuple[EpochLoader, Callable[[Tensor], Tensor] | None]:
        """A gradient stage's batches, and what still encodes them."""
        optim = stage.optim
        common: dict[str, Any] = {
            "batch_size": optim.batch_size, "drop_last": optim.drop_last, "seed": self.seed, "stage": stage.name,
        }  # fmt: skip
        kind = self.learner.keeps_states
        if kind is not None and self.views != "online":
            states = kept_states(self.learner, kind, self.train, self.bank, self.views, self.crop_scale)
            return FeatureLoader(states, self._labels(self.train, states.device), **common), None
        items, others = self.train, self.unlabelled if stage.uses_unlabelled else None
        draws = stage.draws
        if draws == "unlabelled" and others is not None:
            items, others, draws = replace(others, labels=np.full_like(others.labels, -1)), None, "items"
        if self._cached:
            pool = self._pool(items, stage.views)
            unlabelled = None if others is None else self._pool(others, stage.views)
            labels = self._labels(items, self.learner.clip.device)
            return FeatureLoader(pool, labels, unlabelled=unlabelled, draws=draws, **common), None
        images = self._images(items, stage.views, stream_seed(self.seed, stage.name))
        own = stream_seed(self.seed, stage.name, "unlabelled images")
        more = None if others is None else self._images(others, stage.views, own)
        workers = workers_for(self.workers, count_of(len(items), optim.batch_size, optim.drop_last))
        return ImageLoader(images, unlabelled=more, workers=workers, **common), self._encode(images)

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
        features = self._all_views(self.train)
        others = self.unlabelled if stage.uses_unlabelled else None
        train = Batch(
            features,
            self._labels(self.train, features.device),
            stream(self.seed, stage.name),
            None if others is None else self._all_views(others),
        )
        return train, self._held_out(stage.name)

    def comparison(self, stage: GradientStage, select: str) -> Comparison | None:
        """What a stage's epochs are compared by; None where the last one is kept."""
        scored = stage.scored if isinstance(stage.scored, PromptLearner) else self.learner

        def accuracy() -> float:
            assert self.val is not None
            return evaluate(scored, self.val, self.bank).top1

        def loss() -> float:
            held_out = self._held_out(stage.name)
            assert held_out is not None
            with torch.no_grad():
                return float(stage.loss(held_out))

        if select == "val" and stage.chosen_by == "loss":
            return Comparison("val_loss", loss)
        if select == "val" and stage.chosen_by == "accuracy":
            return Comparison("val_accuracy", accuracy)
        if select == "test" and stage.chosen_by == "accuracy" and self.test_accuracy is not None:
            return Comparison("test_accuracy", self.test_accuracy)
        return None

    @property
    def _cached(self) -> bool:
        """Whether batches are gathered from features that are kept."""
        return self.learner.needs == "features" and self.views != "online"

    def _encode(self, images: Pictures) -> Callable[[Tensor], Tensor] | None:
        """What is left to do with a batch of pictures on the device."""
        encode = partial(encoded, self.learner) if self.learner.needs == "features" else None
        if not isinstance(images, ImageDataset) or not isinstance(images.transform, TrainingPixels):
            return encode
        normalise = images.transform.normalised
        return normalise if encode is None else lambda pixels: encode(normalise(pixels))

    def _images(self, items: Items, views: Sequence[View], seed: int) -> Pictures:
        clip, scale = self.learner.clip, self.crop_scale
        if not views:
            random = training_transform(clip, scale)
            pixels = TrainingPixels(random.size, random.mean, random.std, scale=random.scale)
            return ImageDataset(items, require_preprocess(clip) if self.views == 0 else pixels, seed=seed)
        named: dict[str, Augmentation] = {
            "plain": Plain(require_preprocess(clip)),
            "random": training_transform(clip, scale),
        }
        shown: list[Augmentation] = [named[view] if isinstance(view, str) else view for view in views]
        return SeveralViews(items, shown, seed=seed)

    def _pool(self, items: Items, views: Sequence[View]) -> FeaturePool:
        assert self.views != "online"
        features = self._features(items, self.views)
        return FeaturePool(features, views, self._features(items, 0) if "plain" in views else None)

    def _held_out(self, name: str) -> Batch | None:
        if self.val is None or not len(self.val):
            return None
        features = self._features(self.val, 0)
        return Batch(features, self._labels(self.val, features.device), stream(self.seed, name, "val"))

    def _all_views(self, items: Items) -> Tensor:
        """(N, K, D), K = 1 under the evaluation transform."""
        assert self.views != "online"
        features = self._features(items, self.views)
        return features if features.ndim == 3 else features.unsqueeze(1)

    def _features(self, items: Items, views: int) -> Tensor:
        learner = self.learner
        features = self.bank.features(
            learner.clip, items, views=views, crop_scale=self.crop_scale, kind=learner.reads,
            normalised=learner.normalised,
        )  # fmt: skip
        return features.to(learner.clip.device)

    @staticmethod
    def _labels(items: Items, device: torch.device) -> Tensor:
        return torch.from_numpy(items.labels).to(device)
