"""What a run, or a learner that wraps another, gives to a constructor that asks for it by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch

from promptlab.support.signatures import accepted


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Facts of the task that a learner's constructor may take.

    Args:
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        has_images: for each class, whether it has training images.
        generator: source of the random start, on the CPU.

    Example:
        >>> def make(clip, class_names, *, template, n_ctx=4): ...
        >>> offers = Offers(template="a {}.", has_images=(True,), generator=torch.Generator())
        >>> offers.to(make)
        {'template': 'a {}.'}
    """

    template: str
    has_images: tuple[bool, ...]
    generator: torch.Generator

    def to(self, target: Any) -> dict[str, Any]:
        """Those that a class or function takes by name; of a ``partial``, not those that it has a value for."""
        return accepted(target, {field.name: getattr(self, field.name) for field in fields(self)})


OFFERED = tuple(field.name for field in fields(Offers))
"""Names of all that is offered: no configuration sets them."""
