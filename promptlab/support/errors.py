"""The root of promptlab's errors, and those that several rooms raise."""

from typing import ClassVar


class PromptlabError(Exception):
    """Root of what promptlab raises for its users: the message says what is wrong and what to do.

    Each error derives from it and from the built-in kind that fits (ValueError, RuntimeError), so that callers may
    catch either.
    """

    exit_status: ClassVar[int] = 1
    """Of a command that ends with it."""


class DatasetError(PromptlabError, ValueError):
    """A dataset, or a text that belongs to one, that can't be used as it is; the message says what to do."""


def is_expected(error: BaseException) -> bool:
    """Whether an error carries a message for the user; anything else is a defect and shows its traceback."""
    built_in = (ValueError, FloatingPointError, MemoryError, OSError)
    return isinstance(error, (PromptlabError, *built_in)) or type(error).__name__ == "OutOfMemoryError"
