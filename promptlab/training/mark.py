"""What a fit is, as text: a state kept for resuming is used by the same fit alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from promptlab.data.items import Items
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Stage
from promptlab.training.supply import Supply

TRAINER_FACTS = ("precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")
"""Options of the trainer that change what a step does."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fit_mark(
    learner: PromptLearner, plan: Sequence[Stage], supply: Supply, select: str, trainer: Mapping[str, Any]
) -> str:
    """All that a fit's numbers follow from.

    Args:
        learner: before its fit.
        plan: its stages.
        supply: its items, views and seed.
        select: which epoch is kept.
        trainer: the trainer's options.
    """
    parameters = inspect.signature(type(learner)).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    arguments = {k: v for k, v in {**defaults, **learner.arguments}.items() if not isinstance(v, torch.Generator)}
    facts = (
        type(learner).__qualname__,
        learner.version,
        learner.class_names,
        learner.clip.fingerprint,
        _ADDRESS.sub("", repr(sorted(arguments.items()))),
        [(stage.name, repr(getattr(stage, "optim", None))) for stage in plan],
        [(name, tuple(tensor.shape)) for name, tensor in learner.state_dict().items()],
        (supply.views, supply.crop_scale, supply.seed, select),
        [(name, trainer.get(name)) for name in TRAINER_FACTS],
        _items(supply.train),
        _items(supply.val),
    )
    return repr(facts)


def _items(items: Items | None) -> tuple[list[str], list[int]] | None:
    return None if items is None else (items.content_ids(), items.labels.tolist())
