"""The check of learners that have nothing to say of a class without training images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from promptlab.support.words import some_of


def require_images_of_all(class_names: Sequence[str], labels: Tensor, learner: str) -> None:
    """Refuse training items that leave a class out.

    Args:
        class_names: names of the C classes.
        labels: (N,) of the training items.
        learner: who asks, for the message.

    Raises:
        ValueError: if a class has no items; the message names such classes.

    Example:
        >>> import torch
        >>> require_images_of_all(["cat", "dog"], torch.tensor([0, 0]), "LinearProbe")
        Traceback (most recent call last):
            ...
        ValueError: LinearProbe has no training images of 'dog' (1 of 2 classes): leave them out
    """
    seen = set(labels.tolist())
    absent = [name for label, name in enumerate(class_names) if label not in seen]
    if absent:
        raise ValueError(
            f"{learner} has no training images of {some_of([repr(name) for name in absent], 5)} "
            f"({len(absent)} of {len(class_names)} classes): leave them out"
        )
