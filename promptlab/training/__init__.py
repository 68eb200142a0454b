"""Training: stages run by Lightning, scoring, settings.

``Optim`` is imported when first used: the configuration reads :mod:`promptlab.training.recipes` without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlab.training.optim import Optim

__all__ = ["Optim"]


def __getattr__(name: str) -> Any:
    if name != "Optim":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from promptlab.training.optim import Optim

    return Optim
