"""The root of promptlab's errors, and those that several rooms raise."""

from __future__ import annotations

from typing import ClassVar

BUILT_IN = (ValueError, FloatingPointError, MemoryError, OSError)
"""Kinds of Python's own that carry a message for a user, whoever raises them."""


class PromptlabError(Exception):
    """Root of what promptlab raises for its users: the message says what is wrong and what to do.

    Each error derives from it and from the built-in kind that fits (ValueError, RuntimeError), so that callers may
    catch either.
    """

    exit_status: ClassVar[int] = 1
    """What a command ends with that raises it: 1 for a run that failed, 2 for what can't be understood."""


class UsageError(PromptlabError, ValueError):
    """A command or a configuration that can't be understood; the message names what is wrong and what is allowed."""

    exit_status = 2


class NotThereError(UsageError, FileNotFoundError):
    """A file or folder that was asked for by name and isn't there."""


class DatasetError(PromptlabError, ValueError):
    """A dataset, or a text that belongs to one, that can't be used as it is; the message says what to do."""


def is_expected(error: BaseException) -> bool:
    """Whether an error carries a message for the user; anything else is a defect, whose traceback is wanted.

    Example:
        >>> is_expected(DatasetError("eurosat: split file is missing")), is_expected(KeyError("label"))
        (True, False)
    """
    # torch's own kind, by name: nothing here imports torch
    return isinstance(error, (PromptlabError, *BUILT_IN)) or type(error).__name__ == "OutOfMemoryError"
