"""A weighted mean of parameters over the epochs of a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class EpochAverage:
    """The running mean ``sum_t w_t P_t / sum_t w_t`` of what the epochs so far ended with.

    Kept as a mean and not as a sum, so that the first epochs of a narrow bell, whose weights are next to nothing, have
    a mean too.

    Args:
        parameters: P, as they change.
        weights: w, of every epoch.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], weights: Sequence[float]) -> None:
        self._parameters, self._weights = parameters, weights
        self._total = 0.0
        self._means: list[Tensor] | None = None

    @torch.no_grad()
    def add(self, epoch: int) -> None:
        """Take in what a 0-based epoch ended with; without any weight yet, the mean is that alone."""
        weight = self._weights[epoch]
        self._total += weight
        if self._means is None or not self._total:
            self._means = [parameter.detach().clone() for parameter in self._parameters]
            return
        for mean, parameter in zip(self._means, self._parameters, strict=True):
            mean.lerp_(parameter, weight / self._total)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The parameters hold the mean while the block runs."""
        trained = [parameter.detach().clone() for parameter in self._parameters]
        self.put()
        try:
            yield
        finally:
            copy_values(trained, self._parameters)

    def put(self) -> None:
        """Give the parameters the mean."""
        if self._means is not None:
            copy_values(self._means, self._parameters)

    def state(self) -> dict[str, Any]:
        """What a state kept for resuming holds."""
        return {"total": self._total, "means": self._means}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._total, means = state["total"], state["means"]
        self._means = None if means is None else [
            mean.to(parameter.device) for mean, parameter in zip(means, self._parameters, strict=True)
        ]  # fmt: skip


@torch.no_grad()
def copy_values(values: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    """Write values into parameters or buffers."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
