"""CoOp's optimiser and schedule (P9, P10) and epochs by shots."""

import math

import pytest
import torch
from torch import nn

from promptlab.learners.base.optim import Optim, ParameterGroup


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


def test_groups_have_rates_and_decays_of_their_own():
    """As Dassl's staged learning rates: the factor comes after the warm-up, whose rate all groups share."""
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    groups = [
        ParameterGroup(parameters[:1]),
        ParameterGroup(parameters[1:2], lr_factor=6.5),
        ParameterGroup(parameters[2:], 0.5, 0.0),
    ]
    optim = Optim(lr=0.0035, epochs=10)
    made = optim.build_groups(groups).param_groups
    assert [group["weight_decay"] for group in made] == [5e-4, 5e-4, 0.0]
    assert [group["lr"] for group in made] == [1e-5] * 3
    assert optim.lr_at(1, factor=6.5) == pytest.approx(0.02275)
    assert Optim(warmup_epochs=0).build_groups(groups).param_groups[1]["lr"] == pytest.approx(0.013)


@pytest.mark.parametrize("factor", [1.0, 6.5])
def test_a_cosine_over_steps_equals_torchs(factor):
    optim = Optim(lr=0.1, steps=30, eta_min=1e-3, schedule="cosine_per_step", warmup_epochs=0)
    reference = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1 * factor)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(reference, 30, eta_min=1e-3)
    for taken in range(30):
        assert optim.lr_after(taken, factor=factor) == pytest.approx(reference.param_groups[0]["lr"], rel=1e-6)
        reference.step()
        cosine.step()


def test_betas_of_yaml_are_those_of_python():
    assert Optim(betas=[0.8, 0.9]) == Optim(betas=(0.8, 0.9))
    optimiser = Optim(name="adam", betas=[0.8, 0.9]).build([nn.Parameter(torch.zeros(1))])
    assert optimiser.param_groups[0]["betas"] == (0.8, 0.9)


def test_what_came_later_changes_nothing_at_first():
    plain = {name: getattr(Optim(), name) for name in Optim.added_later} | {"betas": list(Optim().betas)}
    assert plain == dict(Optim.added_later)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "sdg"}, r"Optim\(name='sdg'\): one of sgd, adam, adamw is needed"),
        ({"schedule": "linear"}, "one of cosine, cosine_per_step, constant"),
        ({"epochs": 0}, r"epochs=0\): a whole number from 1 to 100,000"),
        ({"batch_size": -1}, "a whole number from 1"),
        ({"lr": float("nan")}, r"lr=nan\): a number above 0 and up to 1,000"),
        ({"weight_decay": -1.0}, "a number from 0"),
        ({"eta_min": -1.0}, "a number from 0"),
        ({"betas": (0.9, 1.0)}, "two numbers from 0"),
        ({"betas": (0.9,)}, "two numbers from 0"),
        ({"steps": 0}, r"steps=0\): a whole number from 1"),
        ({"steps": 5, "epochs": 3}, "steps=5 and epochs=3: give one of the two"),
        ({"steps": 5}, "count epochs; with steps use schedule=cosine_per_step or constant, and warmup_epochs=0"),
        ({"steps": 5, "schedule": "constant"}, "warmup_epochs=0"),
        ({"momentum": 1e10}, "a number from 0 and below 1"),
        ({"momentum": 1.0}, "a number from 0 and below 1"),
        ({"warmup_epochs": 4, "epochs": 3}, "warmup_epochs=4 of epochs=3: the warm-up can't be longer"),
        ({"eta_min": 0.1, "lr": 0.01}, "eta_min=0.1 is above lr=0.01"),
        ({"epochs": True}, "a whole number"),
        ({"epochs": 2.0}, "a whole number"),
        ({"drop_last": 1}, "true or false"),
        ({"lr": "0.1"}, "a number above 0"),
        ({"lr": 0.0}, "a number above 0"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Optim(**arguments)


def test_a_warm_up_in_steps_rises_in_a_line_and_the_cosine_begins_behind_it():
    optim = Optim(lr=0.1, steps=100, schedule="cosine_per_step", warmup_epochs=0, warmup_steps=10, warmup_lr=0.003)
    assert [optim.lr_after(step) for step in (0, 1, 9)] == pytest.approx([0.003, 0.01, 0.09])
    assert optim.lr_after(10) == 0.1
    assert optim.lr_after(60) == pytest.approx(0.05)
    assert optim.lr_after(60, factor=2.0) == pytest.approx(0.1)


def test_a_warm_up_in_steps_needs_steps_enough():
    with pytest.raises(ValueError, match="warmup_steps=3 without steps: epochs take warmup_epochs"):
        Optim(warmup_steps=3)
    with pytest.raises(ValueError, match="warmup_steps=7 of steps=5"):
        Optim(steps=5, schedule="constant", warmup_epochs=0, warmup_steps=7)
