"""A step as both sides run it, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from promptlab.bench.equal import GRADIENT, Answer, require_equal
from promptlab.bench.flops import Work
from promptlab.bench.products import products_alone
from promptlab.bench.recorded import record
from promptlab.bench.report import OURS, PLAIN, PRODUCTS, Comparison
from promptlab.bench.settings import Settings
from promptlab.bench.split import split_of
from promptlab.bench.timing import interleave
from promptlab.clip.frozen import FrozenCLIP

Step = Callable[[], Answer]
REPEATS = 5
"""Calls of promptlab's step for each of the plain one's, which takes so much longer."""


@dataclass(frozen=True)
class Case:
    """A step with two renderings.

    Args:
        what: names it.
        ours: promptlab's.
        plain: the plain rendering.
        answers: what is held equal, promptlab's first; both steps' own answers if None.
        per: images of one call, by side.
        work: what promptlab's call needs.
        recorded: whether the products of both calls are counted, where no formula says ``work``.
        memory: whether its peak memory is of interest.
        repeats: calls of promptlab's step for each of the plain one's.
        note: what a reader must know of it.
    """

    what: str
    ours: Step
    plain: Step
    answers: Callable[[], tuple[Answer, Answer]] | None = None
    per: Mapping[str, int] = field(default_factory=dict)
    work: Work | None = None
    recorded: bool = False
    memory: bool = False
    repeats: int = REPEATS
    note: str = ""


def measure(case: Case, settings: Settings, clip: FrozenCLIP) -> Comparison:
    """Check that both sides agree, then time them.

    Raises:
        DifferenceError: if they don't.
    """
    ours, plain = case.answers() if case.answers else (case.ours(), case.plain())
    differences = require_equal(case.what, ours, plain, settings.precision)
    del ours, plain
    steps: dict[str, Callable[[], object]] = {OURS: case.ours, PLAIN: case.plain}
    useful = None
    towers: dict[str, dict[str, int]] = {}
    if case.work is not None:
        steps[PRODUCTS] = products_alone(case.work.products)
        useful = case.work.flop, case.work.product_flop
    if case.recorded:
        own, other = record(case.ours, clip), record(case.plain, clip)
        steps[PRODUCTS] = products_alone(own.products)
        useful = own.flop.total(), own.flop.total()
        towers = {OURS: dict(own.flop), PLAIN: dict(other.flop)}
    repeats = {OURS: case.repeats, PRODUCTS: case.repeats}
    seconds = interleave(steps, settings.rounds, repeats=repeats, device=clip.device, warm=case.recorded)
    return Comparison(
        case.what,
        seconds,
        per=case.per,
        useful_flop=useful,
        towers=towers,
        split={} if useful is None else split_of(case.ours, min(settings.rounds, 3), clip.device),
        differences=differences,
        note=case.note,
    )


class Trained:
    """A training step over parameters: loss, gradients, optimiser. The learning rate is 0, so every step asks the same.

    Args:
        named: the parameters that train.
        optimiser: made for them.
        answer: what is returned besides loss and gradients; must hold ``loss``.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        optimiser: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        answer: Callable[[], dict[str, Tensor]],
    ) -> None:
        self.named = dict(named)
        self.optimiser = optimiser(list(self.named.values()))
        self.answer = answer

    def __call__(self) -> Answer:
        """One step; the gradients are those of this step."""
        self.optimiser.zero_grad()
        answer = self.answer()
        answer["loss"].backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return answer | {GRADIENT + name: p.grad for name, p in self.named.items() if p.grad is not None}


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """CoOp's optimiser, at learning rate 0."""
    return torch.optim.SGD(parameters, lr=0.0, momentum=0.9, weight_decay=5e-4)


def adamw(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of SHIP's generator, at learning rate 0."""
    return torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.01)
