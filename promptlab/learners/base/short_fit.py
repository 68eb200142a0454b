"""A few steps of a learner's fit plan without Lightning, in one go or cut in two: what the contract trains by."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch

from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage

EPOCHS = 3
"""Of every gradient stage, a step each, the first ones after its warm-up: smaller steps would hide what they change."""
_CUT = 1
"""How many of them are done when a fit is cut in two."""


def gradient_stages(learner: PromptLearner) -> list[GradientStage]:
    """Those of its fit plan."""
    return [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]


def short_fit(learner: PromptLearner, batch: Batch) -> PromptLearner:
    """Every closed form, and a few steps of every gradient stage.

    Args:
        learner: changed in place.
        batch: its inputs and labels; every epoch has a stream of random numbers of its own.
    """
    for stage in learner.fit_plan():
        if isinstance(stage, ClosedFormStage):
            _solve(stage, batch)
        else:
            _steps(stage, _optimiser_of(stage), batch, range(EPOCHS))
    return learner


def short_fit_cut_in_two(make: Callable[[], PromptLearner], batch: Batch) -> PromptLearner:
    """As :func:`short_fit`, but killed after a step of every gradient stage and gone on with by a fresh learner.

    That one has what a resumed fit has: parameters, buffers, and the optimiser's state.

    Args:
        make: gives learners that start alike.
        batch: as of :func:`short_fit`.
    """
    learner = make()
    for index in range(len(learner.fit_plan())):
        own = learner.fit_plan()[index]
        if isinstance(own, ClosedFormStage):
            _solve(own, batch)
            continue
        optimiser = _optimiser_of(own)
        _steps(own, optimiser, batch, range(_CUT))
        state, moments = copy.deepcopy((dict(learner.state_dict()), optimiser.state_dict()))
        learner = make()
        rest = learner.fit_plan()[index]
        assert isinstance(rest, GradientStage)
        learner.take_shapes(state)
        learner.load_state_dict(state)
        optimiser = _optimiser_of(rest)
        optimiser.load_state_dict(moments)
        _steps(rest, optimiser, batch, range(_CUT, EPOCHS))
    return learner


def as_seen(stage: GradientStage, batch: Batch) -> Batch:
    """The batch as a stage asks for it: with as many views, all alike, and with unlabelled inputs."""
    inputs = torch.stack([batch.inputs] * len(stage.views), 1) if stage.views else batch.inputs
    return batch._replace(inputs=inputs, unlabelled=inputs.flip(0) if stage.uses_unlabelled else None)


def _solve(stage: ClosedFormStage, batch: Batch) -> None:
    views = batch.inputs.unsqueeze(1)
    stream = torch.Generator().manual_seed(0)
    train = batch._replace(inputs=views, unlabelled=views if stage.uses_unlabelled else None, generator=stream)
    with torch.no_grad():
        stage.solve(train, batch._replace(generator=torch.Generator().manual_seed(0)))


def _optimiser_of(stage: GradientStage) -> torch.optim.Optimizer:
    return stage.optim.build_groups(stage.all_groups())


def _steps(stage: GradientStage, optimiser: torch.optim.Optimizer, batch: Batch, epochs: Iterable[int]) -> None:
    for epoch in epochs:
        seen = as_seen(stage, batch)._replace(generator=torch.Generator().manual_seed(epoch))
        for group, own in zip(optimiser.param_groups, stage.all_groups(), strict=True):
            group["lr"] = stage.optim.lr_at(stage.optim.warmup_epochs + epoch, factor=own.lr_factor)
        optimiser.zero_grad()
        stage.loss(seen).backward()  # type: ignore[no-untyped-call]
        if stage.after_backward is not None:
            stage.after_backward(seen)
        optimiser.step()
