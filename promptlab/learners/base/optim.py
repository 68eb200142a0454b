"""How a gradient stage is optimised: CoOp's recipe by default."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Interval, doc
from torch import nn

from promptlab.support.ranges import refuse_misfits

# learning rates and penalties; those that work are thousands of times smaller
Rate = Annotated[float, Interval(ge=0, le=1000)]
Decay = Annotated[float, Interval(ge=0, lt=1)]
OptimiserName = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["cosine", "cosine_per_step", "constant"]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a learning rate or a weight decay of their own.

    Args:
        parameters: some of a stage's.
        lr_factor: multiplies the stage's ``lr``; in warm-up epochs all groups have the same rate, as Dassl has it.
        weight_decay: the stage's if None.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> head = nn.Linear(2, 3)
        >>> groups = [ParameterGroup([head.weight]), ParameterGroup([head.bias], lr_factor=6.5)]
        >>> optimiser = Optim(lr=0.1, warmup_epochs=0).build_groups(groups)
        >>> [round(group["lr"], 3) for group in optimiser.param_groups]
        [0.1, 0.65]
    """

    parameters: Sequence[nn.Parameter]
    lr_factor: Rate = 1.0
    weight_decay: Rate | None = None

    def __post_init__(self) -> None:
        refuse_misfits(ParameterGroup, vars(self))


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Optimiser, schedule, length and batch size of one gradient stage.

    The defaults are CoOp's (its configuration files together with Dassl's defaults): SGD with momentum, no dampening,
    no Nesterov; a cosine per epoch that starts after a constant warm-up epoch.

    Args:
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: peak learning rate.
        momentum: of SGD.
        weight_decay: L2 penalty (decoupled for ``adamw``).
        eps: of Adam and AdamW, added to the denominator.
        betas: of Adam and AdamW, decay rates of the two running means.
        epochs: passes over the training items.
        steps: steps of the optimiser, in place of ``epochs``: the items are passed over as often as that takes, and the
            last pass ends early. The schedule runs over the steps.
        batch_size: items per step.
        drop_last: leave out the last, incomplete batch of an epoch unless it is the only one.
        schedule: ``cosine`` in steps of an epoch as Dassl has it, ``cosine_per_step`` as
            ``torch.optim.lr_scheduler.CosineAnnealingLR`` over all steps, or ``constant``.
        warmup_epochs: epochs at ``warmup_lr`` before the schedule starts.
        warmup_lr: learning rate while warming up.
        eta_min: where the cosines end.
        warmup_steps: of a length in ``steps``, how many of them come before the schedule: one at ``warmup_lr``, then
            step i at ``lr * i / warmup_steps``. The cosine keeps ``steps`` as its period.

    Raises:
        ValueError: for an unknown name, a number out of range, and as :meth:`check_together`.

    Example:
        >>> optim = Optim(name="adamw", steps=500, schedule="cosine_per_step", warmup_epochs=0, eta_min=1e-6)
        >>> optim.lr_after(0), round(optim.lr_after(250), 7)
        (0.002, 0.0010005)
    """

    added_later: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"steps": None, "betas": [0.9, 0.999], "eta_min": 0.0, "warmup_steps": 0}
    )
    """Fields that came after fits had ids, as plain values: at these they change nothing, and are no part of an id."""

    name: OptimiserName = "sgd"
    lr: Annotated[float, Interval(gt=0, le=1000)] = 0.002
    momentum: Decay = 0.9
    weight_decay: Rate = 5e-4
    eps: Annotated[float, Interval(ge=0, le=1)] = 1e-8
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 200
    batch_size: Annotated[int, Interval(ge=1, le=1_000_000)] = 32
    drop_last: bool = True
    schedule: ScheduleName = "cosine"
    warmup_epochs: Annotated[int, Ge(0)] = 1
    warmup_lr: Rate = 1e-5
    steps: Annotated[int, Interval(ge=1, le=100_000_000)] | None = None
    betas: Annotated[tuple[Decay, Decay], doc("a list of two numbers from 0 and below 1")] = (0.9, 0.999)
    eta_min: Rate = 0.0
    warmup_steps: Annotated[int, Interval(ge=0, le=100_000_000)] = 0

    def __post_init__(self) -> None:
        refuse_misfits(Optim, vars(self))
        object.__setattr__(self, "betas", tuple(self.betas))  # YAML and cards hold lists
        self.check_together(vars(self))

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse a warm-up longer than the stage, a cosine that would rise, and steps and epochs in one.

        Args:
            arguments: all of the fields.

        Raises:
            ValueError: naming them.
        """
        given = SimpleNamespace(**arguments)
        if given.eta_min > given.lr and given.schedule != "constant":
            raise ValueError(f"eta_min={given.eta_min} is above lr={given.lr}: the cosine falls from lr to eta_min")
        if given.steps is None:
            if given.warmup_steps:
                raise ValueError(f"warmup_steps={given.warmup_steps} without steps: epochs take warmup_epochs")
            if given.warmup_epochs > given.epochs:
                raise ValueError(f"warmup_epochs={given.warmup_epochs} of epochs={given.epochs}: the warm-up can't be "
                                 "longer than the stage")  # fmt: skip
            return
        if given.epochs != cls.epochs:
            raise ValueError(f"steps={given.steps} and epochs={given.epochs}: give one of the two; steps=null counts "
                             "epochs alone")  # fmt: skip
        if given.schedule == "cosine" or given.warmup_epochs:
            raise ValueError(
                f"steps={given.steps}: schedule=cosine and warmup_epochs count epochs; with steps use "
                "schedule=cosine_per_step or constant, and warmup_epochs=0"
            )
        if given.warmup_steps > given.steps:
            raise ValueError(f"warmup_steps={given.warmup_steps} of steps={given.steps}: the warm-up can't be longer "
                             "than the stage")  # fmt: skip

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser over these parameters, at the learning rate of the first step."""
        return self.build_groups([ParameterGroup(list(parameters))])

    def build_groups(self, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
        """The optimiser over these groups, each at its learning rate of the first step."""
        parts: list[dict[str, Any]] = [
            {
                "params": list(group.parameters),
                "lr": self.lr_at(0, factor=group.lr_factor),
                "weight_decay": self.weight_decay if group.weight_decay is None else group.weight_decay,
            }
            for group in groups
        ]
        if self.name == "sgd":
            return torch.optim.SGD(parts, lr=self.lr, momentum=self.momentum)
        kind = torch.optim.Adam if self.name == "adam" else torch.optim.AdamW
        return kind(parts, lr=self.lr, betas=self.betas, eps=self.eps)

    def lr_at(self, epoch: int, step: int = 0, steps: int = 1, *, factor: float = 1.0) -> float:
        """Learning rate in a 0-based step of a 0-based epoch of ``steps`` steps.

        Dassl's cosine starts after the warm-up but keeps ``epochs`` as its period, so it never reaches its end:
        ``lr / 2 * (1 + cos(pi * (epoch - warmup_epochs) / epochs))``.

        Args:
            epoch: 0-based epoch.
            step: 0-based step of the epoch.
            steps: how many steps the epoch has.
            factor: of a parameter group.
        """
        if self.steps is not None:
            return self.lr_after(epoch * steps + step, factor=factor)
        if epoch < self.warmup_epochs:
            return self.warmup_lr
        done = epoch - self.warmup_epochs
        share = done / self.epochs
        if self.schedule == "cosine_per_step":
            share = (done * steps + step) / (self.epochs * steps)
        return self._scheduled(share, factor)

    def lr_after(self, taken: int, *, factor: float = 1.0) -> float:
        """Learning rate of the next step after ``taken`` ones, where ``steps`` gives the length."""
        if taken < self.warmup_steps:
            return factor * self.lr * taken / self.warmup_steps if taken else self.warmup_lr
        return self._scheduled((taken - self.warmup_steps) / (self.steps or 1), factor)

    def _scheduled(self, share: float, factor: float) -> float:
        """Learning rate when this share of the schedule is done."""
        peak = factor * self.lr
        if self.schedule == "constant":
            return peak
        return self.eta_min + (peak - self.eta_min) / 2 * (1 + math.cos(math.pi * share))
