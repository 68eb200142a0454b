"""How a gradient stage is optimised: CoOp's recipe by default."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

OptimiserName = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["cosine", "cosine_per_step", "constant"]


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Optimiser, schedule, epochs and batch size of one gradient stage.

    The defaults are CoOp's (its configuration files together with Dassl's defaults): SGD with momentum, no dampening,
    no Nesterov; a cosine per epoch that starts after a constant warm-up epoch.

    Args:
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: peak learning rate.
        momentum: of SGD.
        weight_decay: L2 penalty (decoupled for ``adamw``).
        eps: of Adam and AdamW, added to the denominator.
        epochs: passes over the training items.
        batch_size: items per step.
        drop_last: leave out the last, incomplete batch of an epoch unless it is the only one.
        schedule: ``cosine`` in steps of an epoch as Dassl has it, ``cosine_per_step`` as
            ``torch.optim.lr_scheduler.CosineAnnealingLR`` over all steps, or ``constant``.
        warmup_epochs: epochs at ``warmup_lr`` before the schedule starts.
        warmup_lr: learning rate while warming up.

    Raises:
        ValueError: for an unknown name or a number out of range.
    """

    name: OptimiserName = "sgd"
    lr: float = 0.002
    momentum: float = 0.9
    weight_decay: float = 5e-4
    eps: float = 1e-8
    epochs: int = 200
    batch_size: int = 32
    drop_last: bool = True
    schedule: ScheduleName = "cosine"
    warmup_epochs: int = 1
    warmup_lr: float = 1e-5

    def __post_init__(self) -> None:
        for field, value, allowed in (
            ("name", self.name, get_args(OptimiserName)),
            ("schedule", self.schedule, get_args(ScheduleName)),
        ):
            if value not in allowed:
                raise ValueError(f"optim.{field}={value!r}: allowed are {', '.join(allowed)}")
        for field in ("epochs", "batch_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"optim.{field}={getattr(self, field)}: at least 1 is needed")
        for field in ("lr", "weight_decay", "momentum", "eps", "warmup_epochs", "warmup_lr"):
            if not 0 <= getattr(self, field) < math.inf:
                raise ValueError(f"optim.{field}={getattr(self, field)}: a finite number >= 0 is needed")

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser over these parameters, at the learning rate of epoch 0."""
        lr = self.lr_at(0)
        if self.name == "sgd":
            return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum, weight_decay=self.weight_decay)
        kind = torch.optim.Adam if self.name == "adam" else torch.optim.AdamW
        return kind(parameters, lr=lr, eps=self.eps, weight_decay=self.weight_decay)

    def lr_at(self, epoch: int, step: int = 0, steps: int = 1) -> float:
        """Learning rate in a 0-based step of a 0-based epoch of ``steps`` steps.

        Dassl's cosine starts after the warm-up but keeps ``epochs`` as its period, so it never reaches 0:
        ``lr / 2 * (1 + cos(pi * (epoch - warmup_epochs) / epochs))``.
        """
        if epoch < self.warmup_epochs:
            return self.warmup_lr
        if self.schedule == "constant":
            return self.lr
        done = epoch - self.warmup_epochs
        share = done / self.epochs
        if self.schedule == "cosine_per_step":
            share = (done * steps + step) / (self.epochs * steps)
        return self.lr / 2 * (1 + math.cos(math.pi * share))
