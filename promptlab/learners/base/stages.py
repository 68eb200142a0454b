"""What a fit is made of: stages of gradient descent and closed forms, and the batches that they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from promptlab.learners.base.optim import Optim


class Batch(NamedTuple):
    """What a loss or a closed form gets.

    Args:
        inputs: (B, D) features or (B, 3, H, W) images, as the learner ``needs``.
        labels: (B,) int64.
        generator: where a loss draws its random numbers from; on the CPU, a function of seed, stage and epoch.
    """

    inputs: Tensor
    labels: Tensor
    generator: torch.Generator | None = None


@dataclass(frozen=True)
class GradientStage:
    """Parameters trained by gradient descent on the training items.

    Args:
        name: names the stage in the learning curve and seeds its random streams.
        parameters: what the optimiser gets.
        loss: batch to scalar.
        optim: optimiser, schedule, epochs and batch size.
        chosen_by: what ``select="val"`` compares epochs by, on the validation images: the learner's ``accuracy``, or
            this stage's ``loss``; ``last`` keeps the last epoch all the same.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch], Tensor]
    optim: Optim
    chosen_by: Literal["accuracy", "loss", "last"] = "accuracy"


@dataclass(frozen=True)
class ClosedFormStage:
    """A solution computed at once: a cache of features, L-BFGS, a search on validation.

    What it finds belongs into parameters or buffers, so that it is saved with the learner.

    Args:
        name: names the stage and seeds its random stream.
        solve: gets all N training items as one batch, with inputs (N, K, D) for K views of each (K = 1 under the
            evaluation transform), and the validation items with inputs (N, D), or None.
    """

    name: str
    solve: Callable[[Batch, Batch | None], None]


Stage = GradientStage | ClosedFormStage
