"""What a learner may do with a test image: adapt to it, score it, and forget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner, Scorer


def adapting_scorer(learner: PromptLearner) -> Scorer:
    """Inputs (B, ...) to logits (B, C): each image by a learner that adapts to it alone, and forgets."""
    adapt = learner.test_time_scorer()

    def score(inputs: Tensor) -> Tensor:
        rows = []
        for image in torch.split(inputs, 1):
            with _forgetting(learner), torch.enable_grad():
                rows.append(adapt(image).detach())
        return torch.cat(rows)

    return score


@contextmanager
def _forgetting(learner: PromptLearner) -> Iterator[None]:
    """Parameters and buffers are copies of their own while the block runs, and what they were after it."""
    tensors = [*learner.parameters(), *learner.buffers()]
    kept = [(tensor.data, tensor.grad) for tensor in tensors]
    for tensor in tensors:
        tensor.data, tensor.grad = tensor.data.clone(), None
    try:
        yield
    finally:
        for tensor, (data, grad) in zip(tensors, kept, strict=True):
            tensor.data, tensor.grad = data, grad
