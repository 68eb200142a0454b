"""A temperature for a run's learner, fitted on images that neither train nor are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from promptlab.config.settings import ConfigError
from promptlab.data.items import Items
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.temperature import fit_temperature
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.decision import Decision
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.calibration import Temperature
from promptlab.runs.parts import Parts, any_tested, build_learner
from promptlab.support.words import counted

FOLDS = 3
Held = Literal["validation", "training", "folds"]
"""Which images are not trained on: validation images, all training images where nothing trains, or folds of them."""
Refit = Callable[[PromptLearner, Items], object]
"""Trains a fresh learner on some of the training images."""


def held_out(learner: PromptLearner, parts: Parts) -> Held:
    """Which images a temperature can be fitted on.

    Args:
        learner: whether it trains anything is asked.
        parts: of the run.

    Raises:
        ConfigError: if there are none, with the reason.
    """
    if parts.val is not None and not any_tested(parts.val, parts.task, parts.dataset):
        return "validation"
    val, name = parts.settings.val, parts.task.dataset
    why = f"val={val}" if val == "none" else f"{name} has no validation images that are not tested"
    if not len(parts.train):
        raise ConfigError(f"calibration=temperature: {why}, and no training images: use calibration=none")
    if not learner.fit_plan():
        return "training"
    fewest = min(len(set(contents)) for contents in _by_class(parts.train).values())
    if fewest < 2:
        raise ConfigError(
            f"calibration=temperature: {why}, and a class has one training image alone, which can't be held out from "
            "training: give val=few or more shots, or use calibration=none"
        )
    return "folds"


def chosen_temperature(learner: PromptLearner, parts: Parts, bank: FeatureBank, refit: Refit) -> Temperature:
    """The temperature of a fitted learner.

    Args:
        learner: as it is after its fit.
        parts: of the run.
        bank: where features are.
        refit: trains a learner for a fold.
    """
    held = held_out(learner, parts)
    if held == "folds":
        logits, labels = _of_folds(parts, bank, refit)
        chosen_on = f"{counted(len(labels), 'training image')}, each held out from one of {FOLDS} fits on the others"
    else:
        items = parts.val if held == "validation" and parts.val is not None else parts.train
        logits, labels = _scored(learner, items, parts, bank)
        chosen_on = counted(len(labels), "validation image" if held == "validation" else "training image")
    return Temperature(value=fit_temperature(logits.numpy(), labels.numpy()), chosen_on=chosen_on, images=len(labels))


def decision_of(temperature: Temperature) -> Decision:
    """How a learner with this temperature answers."""
    return Decision(temperature=temperature.value, chosen_on=temperature.chosen_on)


def spread_folds(items: Items, n_folds: int, seed: int) -> list[list[int]]:
    """Positions of N items in folds: images of a class are spread over them, those of equal content stay together.

    Args:
        items: training items.
        n_folds: how many folds; some may be empty.
        seed: of who goes where.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> train = demo_dataset("demo_textures").train
        >>> [len(fold) for fold in spread_folds(train.only([0, 1]).take(range(0, 64, 8)), 3, seed=1)]
        [3, 3, 2]
    """
    folds: list[list[int]] = [[] for _ in range(n_folds)]
    stream = np.random.default_rng([seed, n_folds])
    place = 0  # goes on from class to class, so that folds are of one size
    for contents in _by_class(items).values():
        distinct = list(contents)
        for at in stream.permutation(len(distinct)):
            folds[place % n_folds] += contents[distinct[at]]
            place += 1
    return folds


def _by_class(items: Items) -> dict[int, dict[str, list[int]]]:
    """Class to the contents of its images to where they stand."""
    found: dict[int, dict[str, list[int]]] = {}
    for position, (label, content) in enumerate(zip(items.labels.tolist(), items.content_ids(), strict=True)):
        found.setdefault(label, {}).setdefault(content, []).append(position)
    return found


def _of_folds(parts: Parts, bank: FeatureBank, refit: Refit) -> tuple[Tensor, Tensor]:
    """Logits and labels of every training image by a learner that was not trained on it."""
    found = []
    for fold in spread_folds(parts.train, FOLDS, parts.settings.seed):
        if not fold:
            continue
        learner = build_learner(parts)
        refit(learner, parts.train.take(np.setdiff1d(np.arange(len(parts.train)), fold)))
        found.append(_scored(learner, parts.train.take(sorted(fold)), parts, bank))
    return torch.cat([logits for logits, _ in found]), torch.cat([labels for _, labels in found])


def _scored(learner: PromptLearner, items: Items, parts: Parts, bank: FeatureBank) -> tuple[Tensor, Tensor]:
    """Logits and labels over the classes that have training images."""
    classes: Sequence[int] = [label for label, has in enumerate(parts.has_images) if has]
    if len(classes) < len(parts.known):
        learner, items = learner.select(classes), items.of_classes(classes)
    return logits_of(learner, items, bank), torch.from_numpy(items.labels)
