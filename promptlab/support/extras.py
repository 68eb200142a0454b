"""Packages that only some users need: imported where they are used, with the line that installs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from promptlab.support.distribution import DISTRIBUTION
from promptlab.support.errors import UsageError


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import optional packages inside the block.

    Args:
        name: of the extra that they are in.
        purpose: what they are needed for.

    Raises:
        UsageError: if one isn't installed, with the command that installs it.

    Example:
        >>> with extra("report", "a figure"):
        ...     import not_there  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        promptlab.support.errors.UsageError: a figure needs not_there: pip install 'promptlab-clip[report]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{purpose} needs {error.name}: pip install '{DISTRIBUTION}[{name}]'") from error
