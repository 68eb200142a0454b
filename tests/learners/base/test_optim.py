"""CoOp's optimiser and schedule (P9, P10) and epochs by shots."""

import math

import pytest
import torch
from torch import nn

from promptlab.learners.base.optim import Optim


@pytest.mark.parametrize("epochs", [10, 50, 100, 200])
def test_learning_rate_table(epochs):
    optim = Optim(epochs=epochs)
    assert optim.lr_at(0) == 1e-5
    for k in range(1, epochs):
        assert optim.lr_at(k) == pytest.approx(0.001 * (1 + math.cos(math.pi * (k - 1) / epochs)), abs=1e-18)
    assert optim.lr_at(epochs - 1) > 0


def test_schedule_equals_torchs_cosine_behind_a_constant_epoch():
    """The reference's two schedulers, run by torch itself: one epoch constant, then cosine with period ``epochs``."""
    epochs, optim = 50, Optim(epochs=50)
    reference = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.002)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(reference, epochs)
    reference.step()
    for k in range(1, epochs):
        assert optim.lr_at(k) == pytest.approx(reference.param_groups[0]["lr"], rel=1e-9)
        cosine.step()


def test_optimiser_defaults():
    optimiser = Optim().build([nn.Parameter(torch.zeros(1))])
    assert isinstance(optimiser, torch.optim.SGD)
    group = optimiser.param_groups[0]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)
    assert (group["dampening"], group["nesterov"]) == (0, False)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_other_optimisers(name, kind):
    optimiser = Optim(name=name, lr=0.1, warmup_epochs=0, schedule="constant").build([nn.Parameter(torch.zeros(1))])
    assert type(optimiser) is kind
    assert optimiser.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "sdg"}, "allowed are sgd, adam, adamw"),
        ({"schedule": "linear"}, "allowed are cosine, cosine_per_step, constant"),
        ({"epochs": 0}, "at least 1"),
        ({"batch_size": -1}, "at least 1"),
        ({"lr": float("nan")}, "finite number"),
        ({"weight_decay": -1.0}, "finite number"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Optim(**arguments)
