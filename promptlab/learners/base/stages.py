"""What a fit is made of: stages of gradient descent and closed forms, and the batches that they get."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from PIL import Image
from torch import Tensor, nn

from promptlab.learners.base.optim import Optim, ParameterGroup
from promptlab.support.errors import UsageError

Augmentation = Callable[[Image.Image, torch.Generator], Tensor]
"""A picture to a view of it (3, H, W), drawn from the generator."""
View = Literal["plain", "random"] | Augmentation
"""What a stage sees of an image: the evaluation transform's view, a random one, or one of the stage's own making."""

Draws = Literal["items", "pool", "views_in_turn", "unlabelled"]
"""What an epoch shows."""


class Batch(NamedTuple):
    """What a loss or a closed form gets.

    Args:
        inputs: (B, D) features or (B, 3, H, W) images, as the learner ``needs``; of a stage that names K ``views``,
            (B, K, D) or (B, K, 3, H, W).
        labels: (B,) int64.
        generator: where a loss draws its random numbers from; on the CPU, a function of seed, stage and epoch.
        unlabelled: of a stage that ``uses_unlabelled``, as many inputs of images without labels.
        classes: the labels again as numbers of Python, for losses that plan by them, which reading them from a GPU
            would wait for; None where they aren't known beforehand.

    Example:
        >>> import torch
        >>> from promptlab.learners import Batch
        >>> batch = Batch(torch.zeros(4, 128), torch.tensor([0, 1, 1, 0]))
        >>> len(batch.labels)
        4
    """

    inputs: Tensor
    labels: Tensor
    generator: torch.Generator | None = None
    unlabelled: Tensor | None = None
    classes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class GradientStage:
    """Parameters trained by gradient descent on the training items.

    Args:
        name: names the stage in the learning curve and seeds its random streams.
        parameters: what the optimiser gets.
        loss: batch to scalar.
        optim: optimiser, schedule, length and batch size.
        chosen_by: what ``select="val"`` compares epochs by, on the validation images: the learner's ``accuracy``, or
            this stage's ``loss``; ``last`` keeps the last epoch all the same.
        groups: those of the parameters that have a learning rate or a weight decay of their own.
        after_backward: called between backward and step, once a step, with the gradients in place and not yet clipped:
            it may change the ``grad`` of any parameter. It gets the step's batch, the last one where a step gathers
            several, and runs in the precision that the loss runs in.
        epoch_weights: a weight for every epoch: what the stage leaves is the mean of the parameters that the epochs
            ended with, weighted by these. ``select="val"`` then scores, and keeps, the mean up to each epoch.
        views: the views of each image that a batch holds, e.g. ``("plain", "random")``; the run's own one if empty.
            Several random ones of one image differ.
        uses_unlabelled: whether its batches hold ``unlabelled`` images too.
        draws: ``items``, each item once in an epoch, by one of its K kept views; ``pool``, rows of the pool of all
            N * K views, so that a batch may hold several of one item, while the batches of an epoch are counted on
            the N items, as CLAP has it; ``views_in_turn``, each item once, all by the same view, in epoch e (0-based)
            view (e + 1) mod K, as ProLIP has it; ``unlabelled``, each image without a label once, in the place of
            the training items: ``inputs`` are these, all ``labels`` -1.
        scored: the learner whose accuracy ``chosen_by`` compares, if that isn't the one that is fitted.

    Raises:
        ValueError: without parameters, if groups name other parameters, or one twice, or the weights aren't one number
            for each epoch.

    Example:
        >>> import torch
        >>> from promptlab.learners import GradientStage, Optim
        >>> bias = torch.nn.Parameter(torch.zeros(2))
        >>> stage = GradientStage("bias", [bias], lambda batch: bias.square().sum(), Optim(epochs=5))
        >>> stage.name, stage.optim.epochs
        ('bias', 5)
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch], Tensor]
    optim: Optim
    chosen_by: Literal["accuracy", "loss", "last"] = "accuracy"
    groups: Sequence[ParameterGroup] = ()
    after_backward: Callable[[Batch], None] | None = None
    epoch_weights: Sequence[float] | None = None
    views: Sequence[View] = ()
    uses_unlabelled: bool = False
    draws: Draws = "items"
    scored: nn.Module | None = None

    def __post_init__(self) -> None:
        if not self.parameters:
            raise ValueError(f"stage {self.name!r} names no parameters: nothing would be trained")
        own = {id(parameter) for parameter in self.parameters}
        grouped = [id(parameter) for group in self.groups for parameter in group.parameters]
        if len(set(grouped)) < len(grouped) or not own.issuperset(grouped):
            raise ValueError(f"stage {self.name!r}: its groups must name parameters of its own, each once")
        if self.epoch_weights is not None:
            _check_weights(self.epoch_weights, self.optim, f"stage {self.name!r}")
        if self.draws not in get_args(Draws):
            raise ValueError(f"stage {self.name!r}: draws={self.draws!r}, allowed are {', '.join(get_args(Draws))}")
        if self.draws != "items" and self.views:
            raise ValueError(
                f"stage {self.name!r}: draws={self.draws!r} says which views are shown, and so do its views"
            )
        for view in self.views:
            if not (view in ("plain", "random") or callable(view)):
                raise ValueError(f"stage {self.name!r}: views are 'plain', 'random' or functions, not {view!r}")

    def all_groups(self) -> list[ParameterGroup]:
        """All parameters by group: first those without settings of their own."""
        grouped = {id(parameter) for group in self.groups for parameter in group.parameters}
        rest = [parameter for parameter in self.parameters if id(parameter) not in grouped]
        return [*([ParameterGroup(rest)] if rest else []), *self.groups]


@dataclass(frozen=True)
class ClosedFormStage:
    """A solution computed at once: a cache of features, L-BFGS, a search on validation.

    What it finds belongs into parameters or buffers, so that it is saved with the learner.

    Args:
        name: names the stage and seeds its random stream.
        solve: gets all N training items as one batch, with inputs (N, K, D) for K views of each (K = 1 under the
            evaluation transform), and the validation items with inputs (N, D), or None.
        uses_unlabelled: whether the training batch holds all ``unlabelled`` images too, (N, K, D).
        searches: what it looks for on the validation images, without which the fit is refused; nothing if empty.
        unsearched: the setting that does without that search, for the refusal.
        trains: the learned tensors that minimise a loss (L-BFGS, full-batch descent), which count as trained
            parameters; a cache and what a search finds don't.

    Example:
        >>> from promptlab.learners import ClosedFormStage
        >>> ClosedFormStage("means", lambda train, val: None).name
        'means'
    """

    name: str
    solve: Callable[[Batch, Batch | None], None]
    uses_unlabelled: bool = False
    searches: str = ""
    unsearched: str = ""
    trains: Sequence[Tensor] = ()


Stage = GradientStage | ClosedFormStage


class NoValidationError(UsageError, ValueError):
    """A search on validation images where there are none."""


def require_validation(plan: Sequence[Stage], learner: str) -> None:
    """Refuse a plan that searches, for a fit without validation images.

    Args:
        plan: the stages of the fit.
        learner: its name, for the message.

    Raises:
        NoValidationError: with what is searched, and what to do.

    Example:
        >>> require_validation([ClosedFormStage("gaussians", print, searches="alpha")], "GDA")
        Traceback (most recent call last):
        promptlab.learners.base.stages.NoValidationError: GDA searches alpha on validation images, and there are none...
    """
    for stage in plan:
        if isinstance(stage, ClosedFormStage) and stage.searches:
            instead = f", or {stage.unsearched}" if stage.unsearched else ""
            raise NoValidationError(
                f"{learner} searches {stage.searches} on validation images, and there are none: give val=few or "
                f"val=full{instead}"
            )


def _check_weights(weights: Sequence[float], optim: Optim, stage: str) -> None:
    if optim.steps is not None:
        raise ValueError(f"{stage}: epoch_weights go by epochs, and optim.steps={optim.steps} counts steps")
    if len(weights) != optim.epochs:
        raise ValueError(f"{stage}: {len(weights)} epoch_weights for {optim.epochs} epochs")
    if not all(0 <= weight < math.inf for weight in weights) or not sum(weights):
        raise ValueError(f"{stage}: epoch_weights must be finite numbers >= 0, one of them above 0")
