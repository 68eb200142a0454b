"""Whether a state that was read can be gone on from, before anything of the learner is changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import GradientStage, Stage

_LIGHTNINGS = ("epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "callbacks",
               "optimizer_states", "lr_schedulers")  # fmt: skip


def misfit(
    state: Mapping[str, Any], own: Mapping[str, Any], learner: PromptLearner, plan: Sequence[Stage]
) -> str | None:
    """What is wrong with a state, in words; None if the fit can go on from it.

    Args:
        state: Lightning's checkpoint.
        own: promptlab's part of it.
        learner: as it starts.
        plan: its stages.
    """
    return next(_misfits(state, own, learner, plan), None)


def _misfits(
    state: Mapping[str, Any], own: Mapping[str, Any], learner: PromptLearner, plan: Sequence[Stage]
) -> Iterator[str]:
    if missing := [key for key in _LIGHTNINGS if key not in state]:
        yield f"it has no {', '.join(missing)}"
    index, curve = own["progress"]["stage"], own["progress"]["curve"]
    stage = plan[index] if 0 <= index < len(plan) else None
    if not isinstance(stage, GradientStage):
        yield f"it is of stage {index}, and the fit has no such stage of gradient descent"
        return
    done = sum(record["stage"] == stage.name for record in curve)
    if done != state["epoch"] + 1:
        yield f"it is of epoch {state['epoch']}, and its curve has {done} epochs of stage {stage.name}"
    yield from _of_tensors(state["state_dict"], learner)
    yield from _of_optimiser(state["optimizer_states"], stage)
    if own["best"] is not None and [t.shape for t in own["best"][1]] != [p.shape for p in stage.parameters]:
        yield "its best epoch holds other parameters"
    if stage.epoch_weights and "average" not in own:
        yield "it has no mean over epochs"


def _of_tensors(tensors: Mapping[str, Tensor], learner: PromptLearner) -> Iterator[str]:
    expected = learner.state_dict(prefix="learner.")
    for name in sorted(expected.keys() ^ tensors.keys()):
        yield f"{name} is {'missing' if name in expected else 'unknown'}"
    parameters = {f"learner.{name}" for name, _ in learner.named_parameters()}
    for name in expected.keys() & tensors.keys():
        found, start = tensors[name], expected[name]
        filled = start.numel() == 0 and found.shape[1:] == start.shape[1:]  # by a closed form, see take_shapes
        if found.shape != start.shape and not filled:
            yield f"{name} has shape {tuple(found.shape)}, expected {tuple(start.shape)}"
        if (found.isnan().any() and not start.isnan().any()) or (name in parameters and not found.isfinite().all()):
            yield f"{name} holds NaN or infinities"


def _of_optimiser(states: Sequence[Mapping[str, Any]], stage: GradientStage) -> Iterator[str]:
    if len(states) != 1:
        yield f"it has the state of {len(states)} optimisers, not of one"
        return
    numbers = [value for entry in states[0]["state"].values() for value in entry.values() if isinstance(value, Tensor)]
    if any(not value.isfinite().all() for value in numbers):
        yield "its optimiser's state holds NaN or infinities"
    fresh = stage.optim.build_groups(stage.all_groups())
    with torch.no_grad():
        fresh.load_state_dict(copy.deepcopy(dict(states[0])))
    for group in fresh.param_groups:
        for parameter in group["params"]:
            entries = fresh.state.get(parameter, {}).values()
            if any(isinstance(v, Tensor) and v.numel() > 1 and v.shape != parameter.shape for v in entries):
                yield "its optimiser's state has other shapes than the parameters"
