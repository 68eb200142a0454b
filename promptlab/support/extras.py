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
        raise missing_extra(name, purpose, str(error.name)) from error


def missing_extra(name: str, purpose: str, package: str) -> UsageError:
    """What says that an optional package isn't installed.

    Args:
        name: of the extra that it is in.
        purpose: what it is needed for.
        package: its name.

    Example:
        >>> print(missing_extra("report", "a figure", "matplotlib"))
        a figure needs matplotlib: pip install 'promptlab-clip[report]'
    """
    return UsageError(f"{purpose} needs {package}: pip install '{DISTRIBUTION}[{name}]'")
