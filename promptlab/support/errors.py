"""The root of promptlab's errors, and those that several rooms raise."""


class PromptlabError(Exception):
    """Root of what promptlab raises for its users: the message says what is wrong and what to do.

    Each error derives from it and from the built-in kind that fits (ValueError, RuntimeError), so that callers may
    catch either.
    """


class DatasetError(PromptlabError, ValueError):
    """A dataset, or a text that belongs to one, that can't be used as it is; the message says what to do."""
